"""A pyTelegramBotAPI echo bot: answers each update with its number after $HANDLER_MS of work.

--bare leaves out what finishes the updates in progress.

By default, two threads work off a queue, and SIGTERM ends the process at once. With
`threaded=False` each batch is handled before the next poll, which confirms it; after
`stop_polling`, the last poll is missing. A long poll is not interrupted by a signal, so it is
short.
"""

import os
import signal
import sys
import time

import telebot

work = int(os.environ.get("HANDLER_MS", "0")) / 1000
telebot.apihelper.API_URL = os.environ["API_URL"] + "/bot{0}/{1}"
bare = "--bare" in sys.argv
bot = telebot.TeleBot(os.environ["BOT_TOKEN"], threaded=bare)
kinds = telebot.util.content_type_media + telebot.util.content_type_service


@bot.message_handler(content_types=kinds)
@bot.edited_message_handler(content_types=kinds)
@bot.channel_post_handler(content_types=kinds)
def echo(message):
    time.sleep(work)
    # The test server numbers messages like updates.
    bot.send_message(message.chat.id, f"update {message.message_id}")


if bare:
    bot.infinity_polling()
else:
    signal.signal(signal.SIGTERM, lambda *_: bot.stop_polling())
    bot.infinity_polling(long_polling_timeout=2)
    bot.get_updates(offset=bot.last_update_id + 1, limit=1, timeout=0)

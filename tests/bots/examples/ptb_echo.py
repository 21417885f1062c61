"""A python-telegram-bot bot as people write them: it answers each update with its number, after $HANDLER_MS of work. With --bare
it does without `concurrent_updates`.

`run_polling` takes SIGTERM by itself: it stops polling, confirms what it has taken, and ends when its queue is empty. But by
default it handles one update after the other, while it goes on taking more: with slow handlers the queue grows, and whatever of it
outlives `timeouts.graceful` is lost. `concurrent_updates` keeps the queue empty.
"""

import asyncio
import os
import sys

from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters

work = int(os.environ.get("HANDLER_MS", "0")) / 1000


async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE):
    await asyncio.sleep(work)
    await context.bot.send_message(update.effective_chat.id, f"update {update.update_id}")


builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API_URL"] + "/bot")
if "--bare" not in sys.argv:
    builder = builder.concurrent_updates(True)
application = builder.build()
application.add_handler(MessageHandler(filters.ALL, echo))
application.run_polling()

"""A python-telegram-bot echo bot: answers each update with its number after $HANDLER_MS of work.

--bare leaves out `concurrent_updates`.

On SIGTERM, `run_polling` stops polling, confirms what it received and works off its queue. By
default it handles one update at a time while it keeps polling, so slow handlers let the queue
grow; what is left after `timeouts.graceful` is lost. `concurrent_updates` keeps the queue empty.
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


builder = Application.builder().token(os.environ["BOT_TOKEN"])
builder = builder.base_url(os.environ["API_URL"] + "/bot")
if "--bare" not in sys.argv:
    builder = builder.concurrent_updates(True)
application = builder.build()
application.add_handler(MessageHandler(filters.ALL, echo))
application.run_polling()

"""An aiogram echo bot: answers each update with its number after $HANDLER_MS of work.

--bare leaves out `finish`.

aiogram runs each handler as a task and confirms its update with the next poll. SIGTERM cancels the
poll and drops the running tasks, which loses their updates. `finish` waits for the tasks, then
confirms their updates; otherwise the next bot would get them again. `handle_as_tasks=False` does
not help: SIGTERM then cancels the running handler and confirms nothing of its batch.
"""

import asyncio
import os
import sys

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message, Update

work = int(os.environ.get("HANDLER_MS", "0")) / 1000
dispatcher = Dispatcher()
taken, running = 0, set()


@dispatcher.update.outer_middleware()
async def take(handler, update, data):
    global taken
    taken = max(taken, update.update_id)
    task = asyncio.current_task()
    running.add(task)
    try:
        return await handler(update, data)
    finally:
        running.discard(task)


@dispatcher.message()
@dispatcher.edited_message()
@dispatcher.channel_post()
async def echo(message: Message, event_update: Update, bot: Bot):
    await asyncio.sleep(work)
    await bot.send_message(message.chat.id, f"update {event_update.update_id}")


async def finish(bot: Bot):
    await asyncio.gather(*running, return_exceptions=True)
    if taken:
        await bot.get_updates(offset=taken + 1, limit=1, timeout=0)


if "--bare" not in sys.argv:
    dispatcher.shutdown.register(finish)


async def main():
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["API_URL"]))
    bot = Bot(os.environ["BOT_TOKEN"], session=session)
    await dispatcher.start_polling(bot, handle_signals=True)


asyncio.run(main())

"""An aiogram bot as people write them: it answers each update with its number, after $HANDLER_MS of work. With --bare it does
without `finish`.

aiogram runs each handler as a task of its own and confirms the update with the next poll, while the handler still runs. On
SIGTERM it cancels the poll and returns without waiting for the tasks, which then die with the event loop: what they had taken
is lost. So `finish` waits for them, and only then confirms what was taken: the poll that would have done it was cancelled, and
without it the next bot would get the same updates again. (`handle_as_tasks=False` is no way out: SIGTERM then cancels the
handler that is at work, and the updates before it in the same batch are never confirmed.)
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
taken = 0


@dispatcher.update.outer_middleware()
async def take(handler, update, data):
    global taken
    taken = max(taken, update.update_id)
    return await handler(update, data)


@dispatcher.message()
@dispatcher.edited_message()
@dispatcher.channel_post()
async def echo(message: Message, event_update: Update, bot: Bot):
    await asyncio.sleep(work)
    await bot.send_message(message.chat.id, f"update {event_update.update_id}")


async def finish(bot: Bot):
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    if taken:
        await bot.get_updates(offset=taken + 1, limit=1, timeout=0)


if "--bare" not in sys.argv:
    dispatcher.shutdown.register(finish)


async def main():
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["API_URL"]))
    await dispatcher.start_polling(Bot(os.environ["BOT_TOKEN"], session=session), handle_signals=True)


asyncio.run(main())

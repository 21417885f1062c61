// A grammY bot as people write them: it answers each update with its number, after $HANDLER_MS of work. With --bare it minds no
// signal; with --documented it has the line for SIGTERM that grammY's documentation shows, and nothing else.
//
// grammY works at one update after the other. `stop` confirms them up to the one that is at work, yet the rest of the batch is
// worked at all the same, and the next bot gets it again. So once the bot ends, nothing more of the batch is begun.

const { setTimeout: sleep } = require("node:timers/promises");
const { Bot } = require("grammy");

const work = Number(process.env.HANDLER_MS ?? 0);
const has = (flag) => process.argv.includes(flag);
const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API_URL } });

let ending = false;
if (!has("--documented")) {
  bot.use((ctx, next) => (ending ? undefined : next()));
}

bot.use(async (ctx) => {
  await sleep(work);
  await ctx.api.sendMessage(ctx.chat.id, `update ${ctx.update.update_id}`);
});

if (!has("--bare")) {
  process.once("SIGTERM", () => {
    ending = true;
    bot.stop();
  });
}
bot.start();

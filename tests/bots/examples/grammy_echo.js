// A grammY echo bot: answers each update with its number after $HANDLER_MS of work. --bare handles
// no signal; --documented has only the SIGTERM handler of grammY's documentation.
//
// grammY handles one update at a time. `stop` confirms the updates up to the current one but still
// handles the rest of the batch, which the next bot gets again. So skip the rest once stopping.

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

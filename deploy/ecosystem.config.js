module.exports = {
  apps: [
    {
      name: "bot",
      cwd: "/srv/bot",
      script: "/usr/local/bin/monopoll",
      args: ["run", "--", "node", "main.js"],
      interpreter: "none",
      // 0: a newer start took over. The other errors remain until their cause is fixed.
      stop_exit_codes: [0, 64, 73, 77, 78, 126, 127],
      restart_delay: 10000,
      // The signal goes only to the guard, which forwards it once and waits for the bot. Then
      // SIGKILL. Longer than timeouts.graceful and timeouts.force together.
      treekill: false,
      kill_timeout: 45000,
    },
  ],
};

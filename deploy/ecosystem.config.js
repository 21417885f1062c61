module.exports = {
  apps: [
    {
      name: "bot",
      cwd: "/srv/bot",
      script: "/usr/local/bin/monopoll",
      args: ["run", "--", "node", "main.js"],
      interpreter: "none",
      // 0: a newer start took over. The others stay wrong until they are fixed. 75 is tried again.
      stop_exit_codes: [0, 64, 73, 77, 78, 126, 127],
      restart_delay: 10000,
      // The guard ends its bot itself. Longer than timeouts.graceful and timeouts.force together.
      treekill: false,
      kill_timeout: 45000,
    },
  ],
};

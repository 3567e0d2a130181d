// Loaded into a launched program: a launcher that was killed cannot pass on a signal, but its channel closes.
if (process.env.HANZO_KMS_LAUNCHER === String(process.ppid) && process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}
delete process.env.HANZO_KMS_LAUNCHER;

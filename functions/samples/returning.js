// Greets who called before, and asks another service for the name of who did not; granted by
//   [[function]]
//   name = "returning"
//   hosts = ["crm.example.com"]
//   store = true
exports.handler = async (context, event, callback) => {
  const twiml = new Twilio.twiml.VoiceResponse();
  const key = 'callers/' + event.From;
  const { calls, name } = await Offhook.store.update(key, async (known) => {
    if (known) return { ...known, calls: known.calls + 1 };
    const url = context.CRM_URL + '?number=' + encodeURIComponent(event.From);
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
      return { calls: 1, name: answer.ok ? (await answer.json()).name : '' };
    } catch (error) {
      console.warn(error);
      return { calls: 1, name: '' };
    }
  });
  twiml.say(calls > 1 ? 'Welcome back, ' + (name || 'caller number ' + calls) : 'Welcome');
  callback(null, twiml);
};

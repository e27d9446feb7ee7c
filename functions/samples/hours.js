// Rings the office when it is open where it is, and takes a message otherwise.
exports.handler = (context, event, callback) => {
  const at = event.At ? new Date(event.At) : new Date();
  const zone = { timeZone: context.OFFICE_ZONE || 'America/New_York' };
  const day = at.toLocaleDateString('en-US', { ...zone, weekday: 'short' });
  const hour = Number(at.toLocaleTimeString('en-GB', { ...zone, hour: '2-digit' }));

  const response = new Twilio.twiml.VoiceResponse();
  if (!['Sat', 'Sun'].includes(day) && hour >= 9 && hour < 17) {
    response.dial({ timeout: 20 }).client('office');
  } else {
    response.say(`It is ${at.toLocaleTimeString('en-US', { ...zone, hour: 'numeric', minute: '2-digit' })} here.`);
    response.record({ maxLength: 60 });
  }
  callback(null, response);
};

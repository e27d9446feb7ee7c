// Sets more header fields than a server can hold.
exports.handler = (context, event, callback) => {
  const response = new Twilio.Response();
  for (let at = 0; at < 40000; at += 1) response.headers['x-' + at] = '1';
  callback(null, response);
};

// Sets a header field with a line end in it.
exports.handler = (context, event, callback) => {
  const response = new Twilio.Response();
  response.appendHeader('X-A', 'b\r\nSet-Cookie: session=forged');
  callback(null, response);
};

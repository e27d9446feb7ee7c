// Gives the host an answer past the prelude, with a line end in its type.
const { done } = globalThis.__host;
exports.handler = (context, event, callback) => {
  done('{"status":200,"type":"text/html\\r\\nX: y","body":""}');
};

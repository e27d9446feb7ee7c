//! The modules `http` and `https`, over the same requests as `fetch`.

use super::*;

/// `ask(options)` gives a request's answer: status, headers and text.
const ASK: &str = "const http = require('http');\n\
    const ask = (options, body, https) => new Promise((resolve, reject) => {\n\
    const request = (https || http).request(options, (response) => { let text = ''; response.setEncoding('utf8');\n\
    response.on('data', (piece) => { text += piece; }).on('end', () => resolve({ status: response.statusCode,\n\
    headers: response.headers, text, complete: response.complete })); });\n\
    request.on('error', (e) => reject(e)); request.end(body); });\n";

#[tokio::test]
async fn requests_of_the_http_module_go_where_fetch_may_go() {
    let bench = Bench::granted();
    let port = bench.server.port;
    let got = bench
        .run(&format!(
            "{ASK}const body = JSON.stringify({{ q: 'é' }});\n\
             const sent = await ask({{ hostname: '127.0.0.1', port: {port}, path: '/echo?x=1', method: 'post',\n\
             auth: 'u:p', headers: {{ 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body),\n\
             'Accept-Encoding': 'gzip', 'X-Own': ['a', 'b'] }} }}, body);\n\
             const seen = JSON.parse(sent.text), teapot = await ask(url + '/teapot');\n\
             const moved = await ask(url + '/to?/echo');\n\
             return {{ seen, complete: sent.complete, teapot, moved: [moved.status, moved.headers.location] }};",
        ))
        .await;
    let seen = &got["seen"];
    assert_eq!((&seen["method"], &seen["path"]), (&json!("POST"), &json!("/echo?x=1")), "{got}");
    assert_eq!(seen["body"], "{\"q\":\"é\"}");
    assert_eq!(seen["headers"]["authorization"], "Basic dTpw");
    assert_eq!(seen["headers"]["content-length"], "10");
    // The answer is read as it is: nothing is asked for that would have to be undone.
    assert!(seen["headers"].get("accept-encoding").is_none(), "{got}");
    assert_eq!(got["complete"], true);
    assert_eq!(got["teapot"]["status"], 418);
    assert_eq!(got["teapot"]["headers"]["set-cookie"], json!(["a=1", "b=2"]));
    assert_eq!(got["moved"], json!([302, "/echo"]), "redirects are the caller's to follow");
}

#[tokio::test]
async fn requests_of_the_http_module_fail_as_those_of_node() {
    let bench = Bench::granted();
    let got = bench
        .run(&format!(
            "{ASK}const told = async (make) => {{ try {{ return await make(); }}\n\
             catch (e) {{ return [e.name, e.code, e.message]; }} }};\n\
             const slow = (after) => new Promise((resolve, reject) => {{\n\
             const request = http.get(url + '/slow', {{ timeout: 20 }}, () => resolve('answered'));\n\
             request.on('error', reject); after(request); }});\n\
             return {{ protocol: await told(() => ask('https://127.0.0.1/')),\n\
             path: await told(() => ask({{ path: '/a b' }})), header: await told(() => ask({{ headers: {{ a: 'b\\nc' }} }})),\n\
             elsewhere: await told(() => ask('http://example.invalid/')),\n\
             abort: await told(() => slow((request) => request.destroy())),\n\
             timeout: await told(() => slow((request) => request.on('timeout', () => request.destroy(new Error('late'))))) }};",
        ))
        .await;
    assert_eq!(
        got["protocol"],
        json!([
            "TypeError",
            "ERR_INVALID_PROTOCOL",
            "Protocol \"https:\" not supported. Expected \"http:\""
        ])
    );
    assert_eq!(got["path"][1], "ERR_UNESCAPED_CHARACTERS");
    assert_eq!(got["header"][1], "ERR_INVALID_CHAR");
    assert_eq!(got["elsewhere"][1], "NotGranted");
    assert!(got["elsewhere"][2].as_str().is_some_and(|m| m.contains("hosts = ")), "{got}");
    assert_eq!(got["abort"], json!(["Error", "ECONNRESET", "socket hang up"]));
    assert_eq!(got["timeout"][2], "late");
}

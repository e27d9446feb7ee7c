//! JSON to a collector that the operator named: no guard, no signature, no redirects.

use std::time::Duration;

/// A collector that takes longer is left alone; what was for it is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts to one URL.
#[derive(Clone, Debug)]
pub struct Exporter {
    client: reqwest::Client,
    url: String,
    headers: Vec<(String, String)>,
}

impl Exporter {
    /// Nothing is opened yet. The error says what is wrong with the URL or the machine.
    pub fn new(url: &str, headers: Vec<(String, String)>) -> Result<Exporter, String> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1);
        if !url.starts_with("https://") {
            // Reading the system's certificates takes long, and nobody needs them here.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| format!("{url}: {error}"))?;
        Ok(Exporter { client, url: url.to_owned(), headers })
    }

    /// Posts one document; anything but a 2xx is an error.
    pub async fn post(&self, json: Vec<u8>) -> Result<(), String> {
        let mut request = self.client.post(&self.url).header("Content-Type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let failed = |error: reqwest::Error| format!("{}: {error}", self.url);
        let response = request.body(json).send().await.map_err(failed)?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("{}: answered {status}", self.url)),
        }
    }
}

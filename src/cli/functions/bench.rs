//! `offhook fn bench`: what a function costs, one run after another.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::super::serve::{block_on, read_config};
use super::super::{Outcome, Project, say};
use super::fixture;
use crate::base::Duration;
use crate::node::clock::Clock;
use crate::source::explain::millis;
use crate::source::seen::Reporter;
use crate::source::{Access, function};

/// Runs before those that count: code and memory come warm.
const WARM_UP: usize = 20;

/// Arguments of `offhook fn bench`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Bench {
    /// The function
    #[arg(value_name = "NAME")]
    name: String,
    /// How many runs
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// A file with the event; else the first fixture, else one like a call's
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured.
struct Measured {
    runs: Vec<Duration>,
    all: Duration,
    memory: usize,
    failures: usize,
}

impl Bench {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        super::known(&self.project.folder, &self.name)?;
        let event = self.event()?;
        let mut measured = block_on(self.measure(config, event))?;
        measured.runs.sort();
        match self.json {
            true => say(&self.as_json(&measured).to_string()),
            false => self.tell(&measured),
        }
        Ok(if measured.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn event(&self) -> Result<Map<String, Value>, String> {
        if let Some(path) = &self.event {
            return fixture::event(path);
        }
        let functions = self.project.folder.join("functions");
        match fixture::of(&functions, &self.name).into_iter().next() {
            Some(Ok(fixture)) => Ok(fixture.event),
            // Whoever wrote an event means that one, not a made-up one.
            Some(Err(unusable)) => Err(format!("{}, or name an event by --event", unusable.why)),
            None => {
                let made_up = json!({ "From": "+15550001111", "To": "+15550002222" });
                Ok(made_up.as_object().cloned().unwrap_or_default())
            }
        }
    }

    async fn measure(
        &self,
        config: crate::config::Config,
        event: Map<String, Value>,
    ) -> Result<Measured, String> {
        let (_opened, runner) = super::open(config)?;
        let clock = Clock::start();
        let mut measured =
            Measured { runs: Vec::new(), all: Duration::ZERO, memory: 0, failures: 0 };
        let mut begun = clock.now();
        for run in 0..WARM_UP + self.runs as usize {
            if run == WARM_UP {
                begun = clock.now();
            }
            let reporter = Reporter::new(false, true);
            let invocation = fixture::invocation(&event, reporter.clone());
            let response = runner.invoke(&self.name, invocation).await;
            let report = reporter.take();
            if run == 0 && response.status >= 500 {
                let text = String::from_utf8_lossy(&response.body).trim().to_owned();
                let what = match report.failure {
                    Some(_) => "does not run".to_owned(),
                    None => format!("answers its event with {}", response.status),
                };
                let private = function::names(&self.project.folder.join("functions"));
                let private = private.contains(&(self.name.clone(), Access::Private));
                let advice = "; it is private: measure a function that requires it";
                let advice = if private { advice } else { "" };
                return Err(format!("{} {what}: {text}{advice}", self.name));
            }
            if run >= WARM_UP {
                measured.runs.push(report.run);
                measured.memory = measured.memory.max(report.memory);
                measured.failures += usize::from(response.status >= 500);
            }
        }
        measured.all = clock.now().since(begun);
        Ok(measured)
    }

    fn tell(&self, measured: &Measured) {
        let Measured { all, memory, failures, .. } = measured;
        let a_second = measured.a_second();
        say(&format!(
            "{}: {} runs in {:.2} s, {a_second:.0} a second, one after another",
            self.name,
            self.runs,
            all.as_secs_f64()
        ));
        let [median, late, worst] = [50, 99, 100].map(|part| millis(measured.percentile(part)));
        say(&format!("time    p50 {median}, p99 {late}, max {worst}"));
        say(&format!("memory  {} KiB", memory.div_ceil(1024)));
        if *failures > 0 {
            say(&format!("failed  {failures}"));
        }
    }

    fn as_json(&self, measured: &Measured) -> Value {
        let micros = |part| measured.percentile(part).as_secs_f64() * 1e6;
        json!({
            "function": self.name,
            "runs": self.runs,
            "per_second": measured.a_second(),
            "p50_us": micros(50),
            "p99_us": micros(99),
            "max_us": micros(100),
            "memory_bytes": measured.memory,
            "failures": measured.failures,
        })
    }
}

impl Measured {
    fn a_second(&self) -> f64 {
        self.runs.len() as f64 / self.all.as_secs_f64().max(1e-9)
    }

    /// Of sorted runs: the time that so many of a hundred did not exceed.
    fn percentile(&self, part: usize) -> Duration {
        let place = (self.runs.len() * part).div_ceil(100).saturating_sub(1);
        self.runs.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_runs_that_were() {
        let runs = (1..=200).map(Duration::from_micros).collect();
        let measured = Measured { runs, all: Duration::from_secs(2), memory: 0, failures: 0 };
        assert_eq!([50, 99, 100].map(|p| measured.percentile(p).as_micros()), [100, 198, 200]);
        assert!((measured.a_second() - 100.0).abs() < 1e-6);
    }
}

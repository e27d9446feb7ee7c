//! `offhook fn new NAME`: a commented function, with a first event to test it by.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::check::{default_url, shown};
use super::super::{Outcome, Project};
use super::templates::{self, EVENT, Place, TEMPLATES, TYPED, TYPES, Template};
use super::{compilers, sources};
use crate::base::hint;
use crate::config::Config;
use crate::source::function;
use crate::verb::declarations;

/// Arguments of `offhook fn new`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct New {
    /// The function's name, which is its path behind /functions/
    #[arg(value_name = "NAME")]
    name: String,
    /// The language it is written in: js, ts, routes, wat, c, rust, assemblyscript, go, python
    #[arg(long, value_name = "LANG", default_value = "js")]
    lang: String,
    /// Only calls, and requests with a valid signature, may run it
    #[arg(long)]
    protected: bool,
    #[command(flatten)]
    project: Project,
}

impl New {
    pub(super) fn run(self) -> Outcome {
        let (name, folder) = (&self.name, &self.project.folder);
        if !folder.join(crate::config::FILE).is_file() {
            return Err(format!(
                "{} is no project folder; `offhook new DIR` writes one",
                shown(folder)
            ));
        }
        if let Some(bare) = name.strip_suffix(".protected") {
            return Err(format!("write `offhook fn new {bare} --protected`"));
        }
        let endings = [".js", ".mjs", ".ts", ".wasm", ".wat", ".routes.toml"];
        if let Some(bare) = endings.iter().find_map(|ending| name.strip_suffix(ending)) {
            return Err(format!(
                "\"{name}\" is a file: write the name, {bare}, and its language as `--lang`"
            ));
        }
        if !function::is_name(name) {
            return Err(format!(
                "\"{name}\" is no name of a function: it has letters, digits, _ - . ~ and /"
            ));
        }
        let langs: Vec<&str> = TEMPLATES.iter().map(Template::lang).collect();
        let template = templates::find(&self.lang).ok_or_else(|| {
            format!("there is no language {}; {}", self.lang, hint(&self.lang, &langs))
        })?;
        self.is_free()?;
        let address = self.address();
        for path in self.write(template, &address)? {
            println!("wrote {}", shown(&path));
        }
        self.tell_next(template, &address);
        Ok(ExitCode::SUCCESS)
    }

    /// An error where something has the name already.
    fn is_free(&self) -> Result<(), String> {
        let (name, folder) = (&self.name, &self.project.folder);
        if let Some((file, _)) = function::versions::current(&folder.join("functions"), name) {
            return Err(format!("functions/{file} is there already; choose another name"));
        }
        let sources = sources::all(folder);
        match sources.iter().find(|source| source.name == *name) {
            Some(source) => {
                let source = shown(&source.folder);
                Err(format!("{source} is there already; choose another name"))
            }
            None => Ok(()),
        }
    }

    /// Where a server of this configuration is asked. One that cannot be read yet (a variable of the
    /// environment is missing) keeps nobody from writing a function.
    fn address(&self) -> Address {
        let env = |name: &str| std::env::var(name).ok();
        Config::read(&self.project.folder, &env).map_or_else(
            |_| Address { local: USUAL.to_owned(), public: USUAL.to_owned(), token: None },
            |config| Address::of(&config),
        )
    }

    fn tell_next(&self, template: &Template, address: &Address) {
        let name = &self.name;
        let folder = match shown(&self.project.folder).as_str() {
            "." => String::new(),
            folder => format!(" -C {folder}"),
        };
        let mut steps = Vec::new();
        if template.place == Place::Sources {
            let sources = sources::all(&self.project.folder);
            let source = sources.iter().find(|source| source.name == *name);
            if let Some(missing) = source.and_then(|source| compilers::missing(source.language)) {
                println!("needs: {missing}");
            }
            steps.push(format!("offhook fn build {name}{folder}"));
        }
        steps.push(format!("offhook preview function:{name}{folder}"));
        steps.push(format!("offhook fn test {name} --write{folder}"));
        steps.push(format!("offhook dev{folder}, and call it, or"));
        let last = match self.protected {
            true => address.signed(&format!("/functions/{name}{CALLER}")),
            false => address.curl(&format!("/functions/{name}{CALLER}")),
        };
        for (at, step) in steps.iter().enumerate() {
            println!("{}: {step}", if at == 0 { "next" } else { "then" });
        }
        println!("      {last}");
        if self.protected && address.token.is_none() {
            println!("      where AUTH_TOKEN is [server] auth_token of offhook.toml");
        }
    }

    /// A template's text, with names and addresses as they are here.
    fn filled(&self, text: &str, address: &Address) -> String {
        let name = &self.name;
        let (ask, explain) = match self.protected {
            true => (
                format!("offhook fn test {name}"),
                "?_explain=1 at its URL, signed (docs/running-functions.md, Protected)".to_owned(),
            ),
            false => {
                let path = format!("/functions/{name}{CALLER}");
                let explain = format!("{path}&To=%2B15550002222&_explain=1");
                (address.curl(&path), format!("curl '{}{explain}'", address.local))
            }
        };
        let text = text.replace("{{ask}}", &ask).replace("{{explain}}", &explain);
        text.replace("{{name}}", name)
    }

    /// Writes all files, or none where one is there already.
    fn write(&self, template: &Template, address: &Address) -> Result<Vec<PathBuf>, String> {
        let (name, project) = (&self.name, &self.project.folder);
        let stem = if self.protected { format!("{name}.protected") } else { name.clone() };
        let functions = project.join("functions");
        let path = |file: &str| match template.place {
            Place::Functions => functions.join(file.replace("{}", &stem)),
            Place::Sources => project.join(sources::FOLDER).join(&stem).join(file),
        };
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for (file, text) in template.files {
            files.push((path(file), self.filled(text, address)));
        }
        files.push((functions.join(format!("{name}.test")).join("call.json"), EVENT.to_owned()));
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(format!("{} is there already; nothing was written", shown(path)));
        }
        if template.is_script() {
            files.extend(self.types());
        }
        for (path, text) in &files {
            let failed = |error| format!("cannot write {}: {error}", path.display());
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
            fs::write(path, text).map_err(failed)?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// What editors want to know: what is ours anew, and what lets them find it where nobody has
    /// said so yet.
    fn types(&self) -> Vec<(PathBuf, String)> {
        let folder = &self.project.folder;
        let (types, typed) = (folder.join(TYPES.0), folder.join(TYPED.0));
        let mut files = Vec::new();
        let text = format!("{}{}", TYPES.1, declarations());
        let there = fs::read_to_string(&types).ok();
        let is_ours = |there: &String| there.lines().next() == TYPES.1.lines().next();
        if there.as_ref().is_none_or(|there| is_ours(there) && *there != text) {
            files.push((types, text));
        }
        if !typed.exists() && !folder.join("jsconfig.json").exists() {
            files.push((typed, TYPED.1.to_owned()));
        }
        files
    }
}

/// The query of somebody's call.
const CALLER: &str = "?From=%2B15550001111";

/// Where a server listens whose configuration says nothing.
const USUAL: &str = "http://127.0.0.1:8080";

/// Where functions are asked.
struct Address {
    /// Where this machine reaches the server.
    local: String,
    /// What signatures are made over.
    public: String,
    /// The file whose second line is the key of signatures; None where that is configured.
    token: Option<String>,
}

impl Address {
    fn of(config: &Config) -> Address {
        let first = config.http.listen.first().copied();
        let local = first.map(|mut address| {
            match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
                IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
                _ => {}
            }
            format!("http://{address}")
        });
        let public = config.http.public_url.clone().unwrap_or_else(|| default_url(config));
        let token = config.server.auth_token.is_none();
        Address {
            local: local.unwrap_or_else(|| public.clone()),
            public,
            token: token.then(|| shown(&config.server.data.join("account"))),
        }
    }

    fn curl(&self, path: &str) -> String {
        format!("curl -H 'Accept: text/plain' '{}{path}'", self.local)
    }

    /// With the signature of a GET, which is over its URL alone.
    fn signed(&self, path: &str) -> String {
        let key = self
            .token
            .as_ref()
            .map_or_else(|| "AUTH_TOKEN".to_owned(), |file| format!("\"$(sed -n 2p '{file}')\""));
        let sign = format!("printf %s '{}{path}' | openssl sha1 -hmac {key} -binary", self.public);
        format!("{} -H \"X-Twilio-Signature: $({sign} | base64)\"", self.curl(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::functions::sources::Language;

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(crate::config::FILE), "").expect("written");
        folder
    }

    fn new(folder: &Path, name: &str, lang: &str, protected: bool) -> New {
        let project = Project { folder: folder.to_owned() };
        New { name: name.to_owned(), lang: lang.to_owned(), protected, project }
    }

    #[test]
    fn every_language_is_either_a_function_or_sources_of_one() {
        for template in TEMPLATES {
            let folder = project();
            let lang = template.lang();
            new(folder.path(), "menu/f", lang, true).run().expect(lang);
            let functions = function::names(&folder.path().join("functions"));
            let sources = sources::all(folder.path());
            match template.place {
                Place::Functions => {
                    let wanted = ("menu/f".to_owned(), function::Access::Protected);
                    assert_eq!((functions, sources.len()), (vec![wanted], 0), "{lang}");
                }
                Place::Sources => {
                    // Neither sources nor tests are functions themselves.
                    assert_eq!((functions.len(), sources.len()), (0, 1), "{lang}");
                    assert_eq!(sources[0].module, "menu/f.protected.wasm", "{lang}");
                }
            }
            let again = new(folder.path(), "menu/f", "js", false).run().expect_err("it is there");
            assert!(again.contains("is there already"), "{again}");
        }
    }

    #[test]
    fn who_is_asked_is_who_the_configuration_says() {
        let address = |text: &str| {
            let (folder, file) = (Path::new("p"), Path::new("p/offhook.toml"));
            Address::of(&Config::parse(folder, file, text, &|_| None).expect("sound"))
        };
        let usual = address("");
        let wanted = "curl -H 'Accept: text/plain' 'http://127.0.0.1:8080/functions/f'";
        assert_eq!(usual.curl("/functions/f"), wanted);
        let elsewhere = address(
            "[http]\nlisten = [\"0.0.0.0:9090\"]\npublic_url = \"https://pbx.example\"\n\
             [server]\nauth_token = \"k\"\n",
        );
        assert_eq!(
            elsewhere.signed("/functions/f"),
            "curl -H 'Accept: text/plain' 'http://127.0.0.1:9090/functions/f' -H \
             \"X-Twilio-Signature: $(printf %s 'https://pbx.example/functions/f' | openssl sha1 \
             -hmac AUTH_TOKEN -binary | base64)\""
        );
        assert!(address("[http]\nlisten = [\"[::]:81\"]\n").curl("/").contains("http://[::1]:81/"));
        assert!(usual.signed("/").contains("-hmac \"$(sed -n 2p 'p/data/account')\" -binary"));
    }

    #[test]
    fn types_are_written_anew_and_what_others_wrote_stays() {
        let folder = project();
        let read = |file: &str| fs::read_to_string(folder.path().join(file)).expect("there");
        new(folder.path(), "a", "js", false).run().expect("new");
        assert!(read("offhook.d.ts").contains("interface SayAttributes"));
        fs::write(folder.path().join("offhook.d.ts"), TYPES.1).expect("an older one");
        fs::write(folder.path().join("tsconfig.json"), "{}").expect("their own");
        new(folder.path(), "b", "ts", true).run().expect("new");
        assert!(read("offhook.d.ts").contains("interface SayAttributes"));
        fs::write(folder.path().join("offhook.d.ts"), "// theirs\n").expect("their own");
        new(folder.path(), "c", "ts", false).run().expect("new");
        assert_eq!((&*read("offhook.d.ts"), &*read("tsconfig.json")), ("// theirs\n", "{}"));
        for (file, ask) in [
            (
                "functions/a.js",
                "//   curl -H 'Accept: text/plain' 'http://127.0.0.1:8080/functions/a?",
            ),
            ("functions/b.protected.ts", "//   offhook fn test b\n"),
        ] {
            let text = read(file);
            assert!(text.contains(ask) && !text.contains("{{"), "{text}");
        }
    }

    #[test]
    fn sources_are_told_by_their_language_and_know_their_name() {
        let languages = [
            ("c", Language::C),
            ("rs", Language::Rust),
            ("assemblyscript", Language::AssemblyScript),
            ("golang", Language::Go),
            ("py", Language::Python),
        ];
        let folder = project();
        for (lang, language) in languages {
            new(folder.path(), lang, lang, false).run().expect(lang);
            let sources = sources::all(folder.path());
            let source = sources.iter().find(|source| source.name == lang).expect("sources");
            assert_eq!(source.language, language);
            for (path, _) in source.stamps() {
                let text = fs::read_to_string(&path).expect("a text");
                assert!(!text.contains("{{name}}"), "{}", path.display());
            }
        }
        let unknown = new(folder.path(), "x", "asemblyscript", false).run().expect_err("unknown");
        assert!(unknown.ends_with("did you mean \"assemblyscript\"?"), "{unknown}");
    }
}

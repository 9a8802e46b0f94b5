//! What a person has set once for all commands: `config.toml` with its profiles, and who "I" is.
//!
//! ```text
//! flag  >  environment  >  profile  >  default
//! --dir    TERCET_DIR      cluster     $XDG_STATE_HOME/tercet/local
//! --as     TERCET_NAME     name        the only account on this machine
//! ```
//!
//! Not to be confused with [`super::config`], whose files say what a cluster is. A key that is not known is
//! refused, since a setting that is silently ignored is worse than none.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::failure::Failure;
use super::files;
use super::home::Home;
use super::similar::did_you_mean;
use super::{person, screen};
use crate::text::{Name, inert};

/// What the file may say outside its profiles.
const TOP_KEYS: [&str; 2] = ["default", "profile"];
/// What a profile may say.
const PROFILE_KEYS: [&str; 5] = ["cluster", "name", "display_quorum", "presence", "bell"];

/// When a chat on a terminal rings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bell {
    /// Never.
    #[default]
    None,
    /// For messages to the person alone.
    Direct,
    /// For those, and for messages in rooms that name them.
    Mentions,
}

/// What holds for this run.
#[derive(Debug, Clone)]
pub struct Settings {
    home: Home,
    name: Option<Name>,
    display_quorum: Option<usize>,
    file: Option<PathBuf>,
    profile: Option<String>,
    presence: bool,
    bell: Bell,
}

impl Settings {
    /// Reads the file, if there is one, and puts what was asked for before it.
    ///
    /// # Errors
    /// The file cannot be read or says what it may not, or has no such profile.
    pub fn resolve(dir: Option<PathBuf>, profile: Option<&str>) -> Result<Self, Failure> {
        let path = config_path();
        let file = match &path {
            Some(path) => File::load(path)?,
            None => None,
        };
        let known = file.is_some();
        let (used, chosen) = file.unwrap_or_default().choose(profile, path.as_deref())?;
        let home = Home::resolve(dir.or(chosen.cluster))?;
        let presence = chosen.presence.unwrap_or(true);
        Ok(Self {
            home,
            name: chosen.name,
            display_quorum: chosen.display_quorum,
            file: path.filter(|_| known),
            profile: used,
            presence,
            bell: chosen.bell,
        })
    }

    /// Whether a chat lets those who may know see that its person is here.
    pub fn presence(&self) -> bool {
        self.presence
    }

    /// When a chat rings.
    pub fn bell(&self) -> Bell {
        self.bell
    }

    /// The cluster's folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// How many servers must have told of a line before it is shown, if the profile says so.
    pub fn display_quorum(&self) -> Option<usize> {
        self.display_quorum
    }

    /// One line on where all this comes from, for `-v`.
    pub fn story(&self) -> String {
        let file = self.file.as_ref().map_or("no config.toml".to_owned(), |path| path.display().to_string());
        let profile = self.profile.as_ref().map_or("no profile".to_owned(), |name| format!("profile {name}"));
        format!("-- {profile} ({file}); the cluster's folder is {}", self.home.dir().display())
    }

    /// Who "I" is: who was asked for, else the profile's name, else the only account on this machine.
    ///
    /// # Errors
    /// When that leaves nobody: says how to say it. `usage` is the command with a name in it.
    pub fn me(&self, asked: Option<&Name>, usage: &str) -> Result<Name, Failure> {
        if let Some(name) = asked.or(self.name.as_ref()) {
            let Some(now) = person::formerly(&self.home, name) else { return Ok(name.clone()) };
            screen::note(&format!("-- {name} is called {now} now; from here on say {now}"));
            return Ok(now);
        }
        let mut people = self.people();
        if people.len() == 1 {
            return people.pop().ok_or_else(|| Failure::new("nobody"));
        }
        let failure = Failure::new("who are you? No name was given, and none is set");
        let people: Vec<&str> = people.iter().map(Name::as_str).collect();
        let failure = match people.as_slice() {
            [] => failure.detail("A name is yours from its first use on: tercet makes a key for it then."),
            several => failure.detail(&format!("Accounts on this machine: {}.", several.join(", "))),
        };
        let failure = match config_path() {
            Some(path) => failure.detail(&format!(
                "To say it once for all: [profile.default] and name = \"NAME\" in {}",
                path.display()
            )),
            None => failure,
        };
        Err(failure.next(usage.to_owned()))
    }

    /// Who has a key in the cluster's folder, by name.
    pub fn people(&self) -> Vec<Name> {
        let folders = files::list(&self.home.people()).unwrap_or_default();
        let name = |folder: &PathBuf| -> Option<Name> {
            let name = folder.file_name()?.to_str()?.parse().ok()?;
            self.home.account_key(&name).exists().then_some(name)
        };
        folders.iter().filter_map(name).collect()
    }
}

/// Where the file is: `$XDG_CONFIG_HOME/tercet/config.toml`.
pub fn config_path() -> Option<PathBuf> {
    etcetera::base_strategy::Xdg::new().ok().map(|xdg| xdg.config_dir().join("tercet/config.toml"))
}

/// The names of the profiles in the file, if it can be read: for completion.
pub fn profiles() -> Vec<String> {
    let file = config_path().and_then(|path| File::load(&path).ok().flatten());
    file.map(|file| file.profiles.into_keys().collect()).unwrap_or_default()
}

/// One profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Profile {
    cluster: Option<PathBuf>,
    name: Option<Name>,
    display_quorum: Option<usize>,
    presence: Option<bool>,
    bell: Bell,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct File {
    default: Option<String>,
    profiles: BTreeMap<String, Profile>,
}

impl File {
    fn load(path: &Path) -> Result<Option<Self>, Failure> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text).map(Some),
            Err(error) if files::is_absent(&error) => Ok(None),
            Err(error) => Err(Failure::io(format!("read {}", path.display()), &error)
                .next("correct who may read that file, or remove it")),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let reader = Reader { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            reader.wrong(&span, error.message())
        })?;
        let mut file = Self::default();
        for (key, value) in table.get_ref() {
            match &**key.get_ref() {
                "default" => file.default = Some(reader.text_of(value)?.to_owned()),
                "profile" => {
                    for (name, profile) in reader.table_of(value)? {
                        file.profiles.insert(name.get_ref().to_string(), reader.profile(profile)?);
                    }
                }
                other => return Err(reader.unknown(&key.span(), other, &TOP_KEYS)),
            }
        }
        Ok(file)
    }

    /// The profile to use, with its name.
    fn choose(
        mut self,
        asked: Option<&str>,
        path: Option<&Path>,
    ) -> Result<(Option<String>, Profile), Failure> {
        let named = asked.map(str::to_owned).or_else(|| self.default.clone());
        let name = named.clone().unwrap_or_else(|| "default".to_owned());
        if let Some(profile) = self.profiles.remove(&name) {
            return Ok((Some(name), profile));
        }
        if named.is_none() {
            return Ok((None, Profile::default()));
        }
        let file = path.map_or("the configuration".to_owned(), |path| path.display().to_string());
        let failure = Failure::new(format!("there is no profile {} in {file}", inert(&name)));
        let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        Err(match (did_you_mean(&name, known.iter().copied()), known.is_empty()) {
            (Some(meant), _) => failure.next(meant),
            (None, false) => failure.next(format!("give one of: {}", inert(&known.join(", ")))),
            (None, true) => failure.next(format!("write one there: [profile.{}]", inert(&name))),
        })
    }
}

/// The file's text, for errors that name the line.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn profile(&self, value: &Spanned<DeValue<'_>>) -> Result<Profile, Failure> {
        let mut profile = Profile::default();
        for (key, value) in self.table_of(value)? {
            match &**key.get_ref() {
                "cluster" => profile.cluster = Some(self.folder(self.text_of(value)?)),
                "name" => {
                    let name = self.text_of(value)?.parse::<Name>();
                    profile.name = Some(name.map_err(|error| self.wrong(&value.span(), &error.to_string()))?);
                }
                "display_quorum" => profile.display_quorum = Some(self.number_of(value)?),
                "bell" => {
                    profile.bell = match self.text_of(value)? {
                        "none" => Bell::None,
                        "direct" => Bell::Direct,
                        "mentions" => Bell::Mentions,
                        _ => {
                            let why = "this must be \"none\", \"direct\" or \"mentions\"";
                            return Err(self.wrong(&value.span(), why));
                        }
                    };
                }
                "presence" => profile.presence = Some(self.truth_of(value)?),
                other => return Err(self.unknown(&key.span(), other, &PROFILE_KEYS)),
            }
        }
        Ok(profile)
    }

    /// A folder as a person writes it: from their home with `~/`, else from the file's own folder.
    fn folder(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/").and_then(|rest| Some(etcetera::home_dir().ok()?.join(rest))) {
            Some(path) => path,
            None => self.path.parent().unwrap_or(Path::new("/")).join(text),
        }
    }

    fn text_of<'v>(&self, value: &'v Spanned<DeValue<'_>>) -> Result<&'v str, Failure> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wrong(&value.span(), "this must be text in quotes")),
        }
    }

    fn truth_of(&self, value: &Spanned<DeValue<'_>>) -> Result<bool, Failure> {
        match value.get_ref() {
            DeValue::Boolean(truth) => Ok(*truth),
            _ => Err(self.wrong(&value.span(), "this must be true or false")),
        }
    }

    fn number_of(&self, value: &Spanned<DeValue<'_>>) -> Result<usize, Failure> {
        let number = value.get_ref().as_integer().filter(|number| number.radix() == 10);
        let number = number.and_then(|number| number.as_str().parse().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| self.wrong(&value.span(), "this must be a number from 1 on, without quotes"))
    }

    fn table_of<'v, 'i>(&self, value: &'v Spanned<DeValue<'i>>) -> Result<&'v DeTable<'i>, Failure> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(&value.span(), "this must be a table: [profile.NAME]")),
        }
    }

    fn unknown(&self, span: &Range<usize>, key: &str, known: &[&str]) -> Failure {
        let next = did_you_mean(key, known.iter().copied());
        self.wrong(span, &format!("there is no setting \"{key}\""))
            .next(next.unwrap_or_else(|| format!("known here: {}", known.join(", "))))
    }

    fn wrong(&self, span: &Range<usize>, why: &str) -> Failure {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        let what = format!("{}, line {line}: {}", self.path.display(), inert(&why.replace('\n', ", ")));
        Failure::new(what).next("correct that file; `tercet --help` and the README say what it may hold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/home/ada/.config/tercet/config.toml";

    fn parse(text: &str) -> Result<File, Failure> {
        File::parse(Path::new(PATH), text)
    }

    const TWO: &str = "\
default = \"work\"

[profile.work]
cluster = \"/srv/work\"
name = \"ada\"

[profile.home]
cluster = \"clusters/home\"
";

    #[test]
    fn profiles_are_chosen_by_name_or_by_default() {
        let choose = |text: &str, asked| parse(text).unwrap().choose(asked, Some(Path::new(PATH)));
        let (name, work) = choose(TWO, None).unwrap();
        assert_eq!(name.as_deref(), Some("work"));
        assert_eq!(work.cluster, Some(PathBuf::from("/srv/work")));
        assert_eq!(work.name.unwrap().as_str(), "ada");
        let (_, home) = choose(TWO, Some("home")).unwrap();
        assert_eq!(home.cluster, Some(PathBuf::from("/home/ada/.config/tercet/clusters/home")));
        assert_eq!(home.name, None);
        let (name, default) = choose("[profile.default]\nname = \"ada\"", None).unwrap();
        assert_eq!((name.as_deref(), default.name.unwrap().as_str()), (Some("default"), "ada"));
        assert_eq!(choose("", None).unwrap(), (None, Profile::default()));
        let failure = choose(TWO, Some("wrok")).unwrap_err();
        assert_eq!(failure.what(), format!("there is no profile wrok in {PATH}"));
        assert_eq!(failure.next_step(), Some("did you mean work?"));
    }

    #[test]
    fn what_the_file_may_not_say_is_refused_with_its_line() {
        let table = [
            ("defualt = \"x\"", 1, "no setting \"defualt\"", "did you mean default?"),
            ("\n[profile.x]\nnmae = \"ada\"", 3, "no setting \"nmae\"", "did you mean name?"),
            (
                "[profile.x]\nwindow = \"ada\"",
                2,
                "no setting \"window\"",
                "known here: cluster, name, display_quorum, presence",
            ),
            ("[profile.x]\nname = \"a b\"", 2, "the name \"a b\" holds ' '", "correct that file"),
            ("[profile.x]\ncluster = 7", 2, "text in quotes", "correct that file"),
            ("[profile.x]\npresence = \"off\"", 2, "true or false", "correct that file"),
            ("[profile.x]\nbell = \"loud\"", 2, "\"direct\" or \"mentions\"", "correct that file"),
            ("[profile.x]\ndisplay_quorum = \"4\"", 2, "a number from 1 on", "correct that file"),
            ("[profile.x]\ndisplay_quorum = 0", 2, "a number from 1 on", "correct that file"),
            ("profile = 7", 1, "a table", "correct that file"),
            ("[profile.x\n", 1, "", "correct that file"),
        ];
        for (text, line, what, next) in table {
            let failure = parse(text).unwrap_err();
            assert!(failure.what().starts_with(&format!("{PATH}, line {line}: ")), "{text:?}: {failure}");
            assert!(failure.what().contains(what), "{text:?}: {failure}");
            assert!(failure.next_step().unwrap().starts_with(next), "{text:?}: {failure:?}");
        }
    }
}

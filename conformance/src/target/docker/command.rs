//! What `docker:` is followed by: options, an image, and what its program takes.

use super::DockerError;

/// A container as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Variables of its environment.
    pub(super) env: Vec<(String, String)>,
    pub(super) image: String,
    /// What its program takes; if nothing, what the image says.
    pub(super) arguments: Vec<String>,
}

impl Command {
    /// # Errors
    /// If it makes no sense.
    pub(super) fn read(text: &str) -> Result<Self, DockerError> {
        let words = shlex::split(text).ok_or_else(|| DockerError::Words(text.into()))?;
        let mut words = words.into_iter();
        let mut env = Vec::new();
        loop {
            let word = words.next().ok_or(DockerError::NoImage)?;
            let variable = match word.split_once('=') {
                _ if !word.starts_with('-') => {
                    return Ok(Self { env, image: word, arguments: words.collect() });
                }
                Some(("--env", variable)) => variable.to_owned(),
                None if word == "--env" || word == "-e" => words.next().unwrap_or_default(),
                _ => return Err(DockerError::Option(word)),
            };
            match variable.split_once('=') {
                Some((name, value)) if !name.is_empty() => env.push((name.into(), value.into())),
                _ => return Err(DockerError::Option(format!("--env {variable}"))),
            }
        }
    }

    /// Whether it has such a place.
    pub(super) fn has(&self, place: &str) -> bool {
        let values = self.env.iter().map(|(_, value)| value);
        values.chain(&self.arguments).any(|word| word.contains(place))
    }

    /// Puts what a place stands for in its places.
    pub(super) fn fill(&mut self, place: &str, with: &str) {
        let values = self.env.iter_mut().map(|(_, value)| value);
        for word in values.chain(&mut self.arguments) {
            *word = word.replace(place, with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(of: &[&str]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_image_has_its_options_before_it_and_its_arguments_behind_it() {
        let text = "--env A=b=c -e 'D=e {data}' acme:1.4 serve --port={port} -e '{data} x'";
        let mut read = Command::read(text).unwrap();
        assert_eq!(read.image, "acme:1.4");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read.env, [pair("A", "b=c"), pair("D", "e {data}")]);
        assert_eq!(read.arguments, words(&["serve", "--port={port}", "-e", "{data} x"]));
        assert!(read.has("{port}") && read.has("{data}") && !read.has("{certs}"));
        read.fill("{data}", "/data");
        assert_eq!(read.env[1], pair("D", "e /data"));
        assert_eq!(read.arguments[3], "/data x");
        assert_eq!(Command::read("acme --env").unwrap().arguments, words(&["--env"]));
        assert_eq!(Command::read("--env=A= acme").unwrap().env, [pair("A", "")]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let told = |text: &str| Command::read(text).unwrap_err().to_string();
        assert!(told("--env A=b").contains("no image"));
        assert!(told("acme 'x").contains("a quote is missing"));
        assert!(told("--publish 1:1 acme").starts_with("\"--publish\" is no option"));
        assert!(told("--env A acme").starts_with("\"--env A\" is no option"));
        assert!(told("--env =b acme").starts_with("\"--env =b\" is no option"));
    }
}

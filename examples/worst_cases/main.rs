//! The pictures in `tollgate::docs::algorithms`, drawn from what the real algorithms do in virtual time.
//!
//! ```sh
//! cargo run --release --example worst_cases -- src/docs/pictures
//! cargo test --example worst_cases # are they what is in the documentation?
//! ```

mod in_flight;
mod picture;
mod rates;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use picture::Picture;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("name a folder for the pictures")?);
    fs::create_dir_all(&folder)?;
    for picture in pictures()? {
        let path = folder.join(picture.name).with_extension("svg");
        fs::write(&path, picture.svg()?)?;
        println!("{}", path.display());
    }
    Ok(())
}

fn pictures() -> Result<Vec<Picture>, Box<dyn Error>> {
    let mut pictures = rates::pictures()?;
    pictures.extend(in_flight::pictures()?);
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_pictures_in_the_documentation_are_what_is_drawn() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/pictures");
        for picture in super::pictures().unwrap() {
            let path = folder.join(picture.name).with_extension("svg");
            let documented = fs::read_to_string(&path).unwrap();
            assert!(
                documented == picture.svg().unwrap(),
                "{} is old: cargo run --example worst_cases -- src/docs/pictures",
                path.display()
            );
        }
    }
}

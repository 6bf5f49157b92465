//! Which path is whose, and whether a change of it shows.

use super::*;
use std::os::unix::fs::symlink;

const ROOT: &str = "/certificates";

fn whose(relative: &str) -> String {
    let root = Path::new(ROOT);
    match kind(root, &root.join(relative)) {
        Kind::Certificate(Slot { source, place: Place::File(_) }) => format!("{source}"),
        Kind::Certificate(Slot { source, place: Place::Pair(_) }) => format!("pair {source}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_path_says_whose_a_certificate_is() {
    for (path, expected) in [
        ("", "Directory"),
        ("www.alice.test.pem", "automatic"),
        ("anything.pem", "automatic"),
        ("alice", "Directory"),
        ("alice/shop.pem", "of alice"),
        ("alice/shop", "Directory"),
        ("alice/shop/fullchain.pem", "pair of alice"),
        ("alice/shop/privkey.pem", "pair of alice"),
        ("www.alice.test", "Directory"),
        ("www.alice.test/fullchain.pem", "pair automatic"),
        ("www.alice.test/privkey.pem", "pair automatic"),
        ("www.alice.test/cert.pem", "Other"),
        ("www.alice.test/deeper/fullchain.pem", "Other"),
        ("alice/shop/chain.pem", "Other"),
        ("alice/shop/deeper/fullchain.pem", "Other"),
        ("README", "Misnamed"),
        ("Alice", "Misnamed"),
        (".pem", "Other"),
        (".www.pem", "Other"),
        ("alice/.shop.pem.new", "Other"),
        ("alice/shop.pem.new", "Directory"),
        (".alice/shop.pem", "Other"),
        ("../shop.pem", "Other"),
    ] {
        assert_eq!(whose(path), expected, "{path}");
    }
    assert_eq!(kind(Path::new(ROOT), Path::new("/elsewhere/a.pem")), Kind::Other);
}

/// Whatever a customer may call a certificate, it lies in the account's directory and stays the account's.
#[test]
fn no_file_name_makes_a_customers_certificate_the_platforms() {
    for path in ["alice/fullchain.pem", "alice/privkey.pem", "alice/www.test.pem", "alice/bob/fullchain.pem"]
    {
        assert!(whose(path).ends_with("of alice"), "{path}");
    }
}

fn write(root: &Path, relative: &str) {
    let path = root.join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, relative).unwrap();
}

fn paths(listing: &Listing, root: &Path) -> Vec<String> {
    let relative = |slot: &Slot| slot.place.path().strip_prefix(root).unwrap().display().to_string();
    let mut paths: Vec<_> = listing.found.iter().map(relative).collect();
    paths.sort();
    paths
}

#[test]
fn a_directory_is_listed_to_its_depth_and_links_count_as_what_they_lead_to() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for file in [
        "top.pem",
        "alice/shop.pem",
        "alice/pair/fullchain.pem",
        "alice/pair/deep/fullchain.pem",
        "www.test/fullchain.pem",
        "www.test/privkey.pem",
        "notes.txt",
        "alice/.shop.pem.new",
    ] {
        write(root, file);
    }
    fs::create_dir(root.join("directory.pem")).unwrap();
    symlink(root.join("top.pem"), root.join("link.pem")).unwrap();
    symlink(root.join("nowhere"), root.join("broken.pem")).unwrap();
    symlink(root, root.join("loop")).unwrap();
    let listing = list(root);
    let expected = [
        "alice/pair",
        "alice/shop.pem",
        "link.pem",
        "loop/link.pem",
        "loop/top.pem",
        "loop/www.test",
        "top.pem",
        "www.test",
    ];
    assert_eq!(paths(&listing, root), expected);
    assert!(listing.unread.is_empty(), "{:?}", listing.unread);
}

#[test]
fn a_directory_that_is_not_there_is_unread_and_not_empty() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("unmounted");
    let listing = list(&root);
    assert_eq!(listing.unread.len(), 1);
    let place = Place::File(root.join("alice/shop.pem"));
    let account = AccountName::new("alice").unwrap();
    assert!(listing.may_hold(&Slot { source: Source::Customer(account.clone()), place: place.clone() }));
    assert!(!listing.may_hold(&Slot { source: Source::Attached(account), place }), "named by a document");
}

#[test]
fn a_misnamed_directory_is_told_and_a_misnamed_file_is_not() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "README");
    write(directory.path(), "Alice/shop.pem");
    let listing = list(directory.path());
    assert!(listing.found.is_empty());
    assert_eq!(listing.unread, [(directory.path().join("Alice"), MISNAMED.to_owned())]);
}

#[test]
fn a_stamp_shows_a_change_of_content_time_or_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.pem");
    let place = Place::File(file.clone());
    fs::write(&file, "one").unwrap();
    let first = place.stamp().unwrap();
    assert_eq!(place.stamp().unwrap(), first);
    fs::write(&file, "three").unwrap();
    let second = place.stamp().unwrap();
    assert_ne!(second, first, "another size");
    let other = directory.path().join("b.pem");
    fs::copy(&file, &other).unwrap();
    fs::rename(&other, &file).unwrap();
    assert_ne!(place.stamp().unwrap(), second, "another file");
}

#[test]
fn a_stamp_settles_two_seconds_after_the_last_change() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.pem");
    fs::write(&file, "one").unwrap();
    let stamp = Place::File(file.clone()).stamp().unwrap();
    let changed = Duration::from_secs(u64::try_from(fs::metadata(&file).unwrap().ctime()).unwrap());
    assert!(!stamp.is_settled(changed + Duration::from_secs(2)));
    assert!(stamp.is_settled(changed + Duration::from_secs(3)));
}

#[test]
fn what_is_no_file_or_too_large_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.pem");
    let why = || Place::File(file.clone()).read().unwrap_err().to_string();
    fs::create_dir(&file).unwrap();
    assert_eq!(why(), "not a file");
    fs::remove_dir(&file).unwrap();
    fs::write(&file, vec![b'x'; FILE_BYTES as usize]).unwrap();
    assert!(Place::File(file.clone()).read().is_ok());
    fs::write(&file, vec![b'x'; FILE_BYTES as usize + 1]).unwrap();
    assert_eq!(why(), "larger than 256 KiB");
}

#[test]
fn half_a_pair_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(CHAIN), "chain").unwrap();
    let place = Place::Pair(directory.path().to_owned());
    assert!(place.exists());
    assert!(place.stamp().unwrap_err().to_string().starts_with("privkey.pem: "));
    assert!(place.read().unwrap_err().to_string().starts_with("privkey.pem: "));
}

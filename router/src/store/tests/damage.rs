use std::path::Path;

use super::super::OpenError;
use super::*;

/// A store with 30 sessions of 10 messages, which was killed in its sleep.
fn store(folder: &Path) -> Vec<u8> {
    let data = folder.join("data");
    let store = Store::open(&data).unwrap();
    let units: Vec<_> = (0..30).map(|_| Arc::new(Unit::default())).collect();
    for number in 1..=10 {
        for (name, unit) in units.iter().enumerate() {
            append(&store, unit, &format!("s{name}"), number, routed(number, 700));
        }
        for unit in &units {
            unit.wait(|told| told.committed >= Position(number));
        }
    }
    let [bytes, mark] = ["router.redb", "mark"].map(|file| std::fs::read(data.join(file)).unwrap());
    store.close();
    std::fs::write(data.join("mark"), mark).unwrap();
    bytes
}

/// What becomes of a store with these bytes: all that was accepted, or an error.
fn start(folder: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    let data = folder.join("data");
    std::fs::write(data.join("router.redb"), bytes).unwrap();
    let checked = Store::check(&data);
    assert_eq!(std::fs::read(data.join("router.redb")).unwrap(), bytes, "looking changes nothing");
    let opened = Store::open(&data);
    assert_eq!(checked.is_ok(), opened.is_ok(), "{checked:?} {opened:?}");
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            let after = std::fs::read(data.join("router.redb")).unwrap();
            assert_eq!(after, bytes, "a refused store is left as it is");
            return Err(error);
        }
    };
    for name in 0..30 {
        let expected = (1..=10).map(|number| (Position(number), routed(number, 700)));
        assert_eq!(kept(&store, &format!("s{name}")), expected.collect());
    }
    Ok(())
}

#[test]
fn damage_is_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let whole = store(folder.path());
    start(folder.path(), &whole).expect("it is whole");
    let mut refused = 0;
    let everywhere = (0..whole.len()).step_by(whole.len() / 150);
    for at in (0..300).step_by(7).chain(everywhere) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        if let Err(error) = start(folder.path(), &damaged) {
            let text = error.to_string();
            assert!(text.contains("router.redb") && text.contains("Nothing was changed"), "{text}");
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused} refused");
}

#[test]
fn a_store_that_was_cut_or_swapped_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = store(folder.path());
    for kept in [0, 1, 4_096, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        match start(folder.path(), &whole[..kept]) {
            Err(OpenError::Damaged { .. } | OpenError::Lost { .. }) => {}
            Ok(()) if kept > whole.len() / 2 => {}
            other => panic!("{kept}: {other:?}"),
        }
    }
    std::fs::remove_file(folder.path().join("data/router.redb")).unwrap();
    let error = Store::open(&folder.path().join("data")).expect_err("everything is missing");
    assert!(matches!(error, OpenError::Lost { found: 0, .. }), "{error}");
    assert!(!folder.path().join("data/router.redb").exists());
    let error = start(folder.path(), b"something else").expect_err("that is no store");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn an_older_copy_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let whole = store(folder.path());
    let data = folder.path().join("data");
    let unit = Arc::new(Unit::default());
    {
        let store = Store::open(&data).unwrap();
        append(&store, &unit, "s1", 11, routed(11, 1));
        unit.wait(|told| told.committed >= Position(11));
    }
    let error = start(folder.path(), &whole).expect_err("the last message is missing");
    assert!(error.to_string().contains("has lost what was accepted"), "{error}");
    std::fs::remove_file(data.join("mark")).unwrap();
    start(folder.path(), &whole).expect("the loss was accepted");
}

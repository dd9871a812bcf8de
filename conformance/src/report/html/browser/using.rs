//! What can be done with a page: its filter, its links, its folds, all of it by keys.

use super::driver::{ENTER, ESCAPE, TAB, browse};
use super::{failing, matrix};
use crate::report::samples;

/// How many requirements the sample has that this is true of.
fn count(holds: impl Fn(&crate::report::RequirementReport) -> bool) -> usize {
    samples::failing().requirements.iter().filter(|it| holds(it)).count()
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn filters_combine_and_are_in_the_address() {
    browse("combine", &failing(), |tab| async move {
        let all = count(|_| true);
        assert_eq!(tab.told().await, format!("{all} of {all} shown"));
        assert_eq!(tab.fragment().await, "");

        tab.focus("[name=words]").await;
        tab.press("bob's stream").await;
        assert_eq!(tab.rows().await, ["ORD-1"]);
        assert_eq!(tab.told().await, format!("1 of {all} shown"));
        assert_eq!(tab.fragment().await, "#?words=bob%27s+stream");

        tab.press(ESCAPE).await;
        assert_eq!(tab.rows().await.len(), all);
        assert_eq!(tab.fragment().await, "#requirements");

        // Words, family, order, and then the outcomes, in the order of the tab key.
        tab.press(&format!("{TAB}ORD")).await;
        let of_family = count(|it| it.family == "ORD");
        assert_eq!(tab.rows().await.len(), of_family);
        tab.press(&format!("{TAB}{TAB}")).await;
        tab.press(&format!("{TAB} ")).await;
        assert_eq!(tab.fragment().await, "#?family=ORD&outcome=failed");
        assert_eq!(tab.rows().await, ["ORD-1"]);
        assert_eq!(tab.told().await, format!("1 of {all} shown"));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn a_filtered_view_can_be_linked_and_survives_reload() {
    browse("link", &failing(), |tab| async move {
        let failed = ["ORD-1", "ACK-4"];
        tab.open("#?outcome=failed&outcome=warned").await;
        let wanted = ["REG-6", "ORD-1", "ACK-4"];
        assert_eq!(tab.rows().await, wanted);
        let form =
            "return document.getElementById('filter').getBoundingClientRect().top < innerHeight";
        assert_eq!(tab.run(form).await, true, "it is in view");
        tab.reload().await;
        assert_eq!(tab.rows().await, wanted);
        assert_eq!(tab.fragment().await, "#?outcome=failed&outcome=warned");

        // Links of the page itself, and the way back.
        tab.focus(".legend a[data-filter=\"outcome=failed\"]").await;
        tab.press(ENTER).await;
        tab.until("location.hash === '#?outcome=failed'").await;
        tab.until("document.querySelector('output').textContent.startsWith('2 of')").await;
        assert_eq!(tab.rows().await, failed);
        tab.back().await;
        tab.until("document.querySelector('output').textContent.startsWith('3 of')").await;
        assert_eq!(tab.rows().await, wanted);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn where_nothing_matches_it_says_so_and_leads_back() {
    browse("nothing", &failing(), |tab| async move {
        let nothing = "return document.querySelector('.nothing').checkVisibility()";
        assert_eq!(tab.run(nothing).await, false);
        tab.open("#?words=no-such-word&family=ORD").await;
        assert_eq!(tab.rows().await, [""; 0]);
        assert_eq!(tab.run(nothing).await, true);
        assert!(tab.told().await.starts_with("0 of "));
        let table = "return document.querySelector('.register').checkVisibility()";
        assert_eq!(tab.run(table).await, false, "no heads of nothing");
        tab.focus(".nothing button").await;
        tab.press(ENTER).await;
        assert_eq!(tab.rows().await.len(), count(|_| true));
        assert_eq!(tab.run(nothing).await, false);
        assert_eq!(tab.fragment().await, "#requirements");
        assert_eq!(tab.run("return document.activeElement.name").await, "words");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn what_took_longest_comes_first_if_asked_for() {
    browse("order", &failing(), |tab| async move {
        let contract = tab.rows().await;
        tab.open("#?order=took").await;
        let report = samples::failing();
        let took =
            |id: &String| report.requirements.iter().find(|it| it.id == *id).unwrap().duration_ms;
        let rows = tab.rows().await;
        assert_eq!(rows[0], "ACK-4");
        assert!(rows.is_sorted_by(|one, other| took(one) >= took(other)), "{rows:?}");
        assert_eq!(rows.len(), contract.len());
        tab.focus("[name=order]").await;
        tab.press("By").await;
        assert_eq!(tab.rows().await, contract);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn folds_open_by_keys_and_for_links() {
    browse("folds", &failing(), |tab| async move {
        let open = "return document.querySelector('.finding').open";
        assert_eq!(tab.run(open).await, true);
        tab.focus(".finding summary").await;
        tab.press(ENTER).await;
        assert_eq!(tab.run(open).await, false);
        tab.press(" ").await;
        assert_eq!(tab.run(open).await, true);
        tab.press(ENTER).await;

        // A link to evidence unfolds it.
        tab.focus(".verdict a[href=\"#evidence-ORD-1\"]").await;
        tab.press(ENTER).await;
        tab.until("document.querySelector('.finding').open").await;
        tab.open("#evidence-HB-5").await;
        tab.until("document.getElementById('evidence-HB-5').checkVisibility()").await;

        // A card opens by keys, and its link closes it and shows a row that is filtered out.
        tab.open("#?outcome=failed").await;
        tab.focus("[popovertarget=card-REG-1]").await;
        tab.press(ENTER).await;
        tab.until("document.querySelector('#card-REG-1').matches(':popover-open')").await;
        tab.press(&format!("{TAB}{ENTER}")).await;
        tab.until("!document.querySelector(':popover-open')").await;
        tab.until("document.getElementById('REG-1').checkVisibility()").await;
        assert_eq!(tab.fragment().await, "#REG-1");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn the_matrix_is_filtered_by_family_and_word() {
    browse("matrix", &matrix(), |tab| async move {
        let all = tab.rows().await;
        let of = |family: &str| -> Vec<String> {
            let kills = |row: &&String| {
                let name = row.strip_prefix("fault-")?;
                Some(name.parse::<crate::specimen::Fault>().unwrap().kills())
            };
            let is_of = |row: &&String| kills(row).is_some_and(|it| it.starts_with(family));
            all.iter().filter(is_of).cloned().collect()
        };
        assert!(all.len() > of("DIR-").len() + of("REG-").len(), "and the variants: {all:?}");
        tab.open("#?family=DIR").await;
        assert_eq!(tab.rows().await, of("DIR-"));
        let sentence = "return document.getElementById('REG-1').checkVisibility()";
        assert_eq!(tab.run(sentence).await, false, "no sentence without its faults");
        tab.open("#?family=variants").await;
        let variants = all.iter().filter(|it| it.starts_with("variant-"));
        assert_eq!(tab.rows().await, variants.cloned().collect::<Vec<_>>());
        tab.open("#?outcome=survives").await;
        assert_eq!(tab.rows().await.len(), 1);

        // A link to a requirement's sentence shows it.
        tab.focus(".pill[href=\"#REG-1\"]").await;
        tab.press(ENTER).await;
        tab.until("document.getElementById('REG-1').checkVisibility()").await;
        assert_eq!(tab.rows().await, all);
    })
    .await;
}

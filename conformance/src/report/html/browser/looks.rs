//! What a page looks like: it fits, can be read, and needs nothing but itself.

use std::path::PathBuf;

use super::driver::browse;
use super::{failing, pages};

/// What is beyond the right edge, unless it can be scrolled to within a part of the page.
const BEYOND: &str = "
    const scrolls = (it) => it && (/auto|scroll|hidden/.test(getComputedStyle(it).overflowX)
        || scrolls(it.parentElement));
    const beyond = [...document.body.querySelectorAll('*')].filter((it) => it.checkVisibility()
        && !it.closest('.unseen') && it.getBoundingClientRect().right > innerWidth + 1
        && !scrolls(it.parentElement));
    const found = beyond.map((it) => `${it.tagName}.${it.className} ${it.textContent}`);
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls');
    return found.map((it) => it.slice(0, 80));";

/// Texts with less contrast than 4.5 to 1 to what is behind them, each look once.
const FAINT: &str = "
    const part = (share) => share <= .04045 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4;
    const shares = [.2126, .7152, .0722];
    const light = (of) => shares.reduce((sum, share, i) => sum + share * part(of[i] / 255), 0);
    const colour = (text) => {
        const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
        return [r, g, b, a];
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
    const behind = (it) => {
        if (!it) return [0, 1, 2].fill(matchMedia('(prefers-color-scheme: dark)').matches ? 18 : 255);
        const own = colour(getComputedStyle(it).backgroundColor);
        return own[3] === 1 ? own : over(own, behind(it.parentElement));
    };
    const found = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const it = text.parentElement;
        if (!text.data.trim() || !it.checkVisibility({ visibilityProperty: true })) continue;
        if (it.closest('script, .unseen')) continue;
        const ink = colour(getComputedStyle(it).color);
        for (let up = it; up; up = up.parentElement) ink[3] *= getComputedStyle(up).opacity;
        const ground = behind(it);
        const [one, other] = [light(over(ink, ground)), light(ground)];
        const contrast = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
        const { fontSize, fontWeight } = getComputedStyle(it);
        const large = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
        if (contrast < (large ? 3 : 4.5)) {
            found.add(`${contrast.toFixed(2)}: ${it.tagName}.${it.className} in `
                + `${it.parentElement.tagName}.${it.parentElement.className}`);
        }
    }
    return [...found];";

const UNFOLD: &str = "for (const it of document.querySelectorAll('details')) it.open = true";

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn nothing_is_wider_than_the_window() {
    browse("width", "", |tab| async move {
        for (name, page) in pages() {
            for width in [360, 768, 1_400] {
                tab.width(width).await;
                tab.show(&page).await;
                assert_eq!(tab.texts(BEYOND).await, [""; 0], "{name} at {width} px");
                tab.run(UNFOLD).await;
                assert_eq!(tab.texts(BEYOND).await, [""; 0], "{name} at {width} px, unfolded");
            }
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn texts_can_be_read_by_day_and_by_night() {
    browse("contrast", "", |tab| async move {
        for (name, page) in pages() {
            for (scheme, ground) in [("light", "rgb(244, 246, 248)"), ("dark", "rgb(14, 18, 23)")] {
                tab.scheme(scheme).await;
                tab.show(&page).await;
                tab.run(UNFOLD).await;
                let body = "return getComputedStyle(document.body).backgroundColor";
                assert_eq!(tab.run(body).await, ground, "{name}");
                assert_eq!(tab.texts(FAINT).await, [""; 0], "{name}, {scheme}");
            }
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn nothing_is_asked_for_and_nothing_complained_of() {
    browse("alone", "", |tab| async move {
        for (name, page) in pages() {
            tab.show(&page).await;
            for fragment in ["#?words=ord", "#?family=nothing&order=x&other=1", "#%", "#?%"] {
                tab.open(fragment).await;
            }
            tab.run(UNFOLD).await;
            assert_eq!(tab.complaints().await, [""; 0], "{name}");
            assert_eq!(tab.requests().await, [""; 0], "{name}");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn everything_is_there_without_script() {
    let page = failing();
    browse("without-script", &page.clone(), |tab| async move {
        tab.without_script().await;
        tab.show(&page).await;
        assert!(tab.rows().await.len() > 100);
        for hidden in ["#filter", ".nothing"] {
            let seen = format!("return document.querySelector('{hidden}').checkVisibility()");
            assert_eq!(tab.run(&seen).await, false, "{hidden} would do nothing");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn a_message_on_its_way_is_seen_by_day_and_by_night() {
    browse("diagram", &failing(), |tab| async move {
        for scheme in ["light", "dark"] {
            tab.scheme(scheme).await;
            tab.open("#evidence-ORD-1").await;
            let seen = "
                const evidence = document.getElementById('evidence-ORD-1');
                const svg = evidence.querySelector('svg');
                const ground = getComputedStyle(svg.closest('td')).backgroundColor;
                const seen = (what) => getComputedStyle(svg.querySelector(what)).stroke !== ground;
                const { width, height } = svg.getBoundingClientRect();
                return [width > 100, height > 100, seen('.flight'), seen('.lane'), seen('.call'),
                    evidence.querySelector('.causes li').checkVisibility()].map(String);";
            assert_eq!(tab.texts(seen).await, ["true"; 6], "{scheme}");
        }
    })
    .await;
}

/// Pictures of the pages for who works on them: `PICTURES=FOLDER cargo test … pictures`.
#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn pictures() {
    let Some(folder) = std::env::var_os("PICTURES").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    browse("pictures", "", |tab| async move {
        for (name, page) in pages() {
            for (scheme, width) in
                [("light", 1_400), ("dark", 1_400), ("light", 360), ("dark", 360)]
            {
                tab.width(width).await;
                tab.scheme(scheme).await;
                tab.show(&page).await;
                tab.picture(&folder.join(format!("{name}-{width}-{scheme}.png"))).await;
            }
        }
    })
    .await;
}

//! The dashboard, as people see it: in Chromium, with the keyboard and with the mouse.

use std::fs;

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::Browser;
use crate::node::Node;

const POLICIES: &str = r#"
    [[policy]]
    id = "reports"
    name = "Monthly reports"
    scope = "user"
    limit = "3/h"

    [[policy]]
    id = "search"
    scope = "user"
    limit = "1000/s"
    state = "draft"
"#;

/// The element of a policy in the list.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#policies > li')].find((row) => row.querySelector('h3').textContent === {name:?})"
    )
}

/// So many requests of one user, of which three an hour are admitted.
fn ask(node: &Node, user: &str, times: usize) {
    for _ in 0..times {
        node.get(&format!("/api/rate-limit/check?userID={user}&policyID=reports"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_nobody_but_the_service_and_has_no_complaint() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    browser.until_text("#service-state", "active").await;
    browser.until(&row("Monthly reports")).await;
    assert_eq!(browser.console().await, [""; 0]);
    let requests = browser.requests().await;
    assert!(requests.contains(&node.url("/")) && requests.contains(&node.url("/events")), "{requests:?}");
    // Chromium's own page for a new tab comes from within itself.
    let within = [node.url("/"), "data:".to_owned(), "chrome:".to_owned()];
    let elsewhere = |url: &&String| !within.iter().any(|start| url.starts_with(start));
    assert_eq!(requests.iter().find(elsewhere), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_admitted_and_refused_is_seen_while_it_happens() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    browser.until_text("#no-top", "Nobody was refused").await;
    ask(&node, "ada", 8);
    let numbers =
        |which| format!("{}?.querySelector('.rates .{which}').innerText.includes", row("Monthly reports"));
    browser.until(&format!("{}('3 in all')", numbers("admitted"))).await;
    browser.until(&format!("{}('5 in all')", numbers("refused"))).await;
    // A peak in the chart: it is drawn from what was counted each second.
    let path = format!("{}.querySelector('path.refused').getAttribute('d')", row("Monthly reports"));
    browser.until(&format!("/ (?!100\\.0)\\d+\\.\\d/.test({path})")).await;
    browser.until_text("#top tbody", "ada").await;
    browser.until_text("#top tbody", "5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_opened_late_shows_the_minutes_before() {
    let node = Node::with_policies(POLICIES);
    let first = Browser::open(&node.url("/")).await;
    ask(&node, "ada", 8);
    first.until_text("#top tbody", "ada").await;
    // It comes after all is over, and sees the peak all the same.
    first.reload().await;
    let path = format!("{}?.querySelector('path.refused').getAttribute('d')", row("Monthly reports"));
    first.until(&format!("/ (?!100\\.0)\\d+\\.\\d/.test({path})")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_tried_by_the_keyboard_alone() {
    let node = Node::start(&[]);
    let browser = Browser::open(&node.url("/")).await;
    browser.until_text("#service-state", "active").await;
    browser.tabs_to("try-key").await;
    browser.types("-by-hand").await;
    browser.tabs_to("try-count").await;
    browser.presses(Key::Backspace).await;
    browser.types("2").await;
    for answer in ["1 of 2 left", "0 of 2 left", "Refused: 0 of 2 left"] {
        browser.presses(Key::Enter).await;
        browser.until_text("#answer", answer).await;
    }
    browser.until_text("#answer dl", "Asking again before").await;
    browser.until_text("#answer dl", "0 requests left").await;
    // What makes no sense is said where it was typed.
    browser.types("x").await;
    browser.presses(Key::Enter).await;
    browser.until_text("#answer", "Not asked").await;
    assert_eq!(browser.value("document.activeElement.getAttribute('aria-invalid')").await, json!("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_of_the_form_is_taken() {
    let node = Node::start(&[]);
    let browser = Browser::open(&node.url("/")).await;
    for index in 0..6 {
        let script = format!(
            "(() => {{ const choice = document.querySelector('#try-algorithm'); choice.selectedIndex = {index};
                choice.dispatchEvent(new Event('change')); document.querySelector('#answer').replaceChildren();
                document.querySelector('#try button').click(); return choice.value; }})()"
        );
        let algorithm = browser.value(&script).await;
        browser.until("document.querySelector('#answer .verdict')").await;
        assert!(
            browser.text("#answer").await.starts_with("Allowed: "),
            "{algorithm}: {}",
            browser.text("#answer").await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_send_is_shown_as_text() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    ask(&node, "%3Cimg%20src=x%20onerror=%22window.hacked=1%22%3E", 4);
    browser.until_text("#top tbody", r#"<img src=x onerror="window.hacked=1">"#).await;
    assert_eq!(browser.value("[window.hacked ?? null, document.images.length]").await, json!([null, 0]));
    // Nor would it run if it were markup.
    let script = "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked=1\">')";
    browser.value(script).await;
    browser.until("document.images[0].complete").await;
    assert_eq!(browser.value("window.hacked ?? null").await, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_light_or_dark_as_the_system_or_as_chosen() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    let background = "getComputedStyle(document.body).backgroundColor";
    browser.has_colours("light").await;
    let light = browser.value(background).await;
    browser.has_colours("dark").await;
    let dark = browser.value(background).await;
    assert_ne!(light, dark);
    browser.value("document.querySelector('[name=theme][value=light]').click()").await;
    assert_eq!(browser.value(background).await, light);
    browser.reload().await;
    assert_eq!(browser.value(background).await, light, "the choice is kept");
}

/// Words whose contrast to what is behind them is below 4.5, as WCAG 2.2 asks for (level AA).
const FAINT: &str = r"(() => {
    const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = channels(getComputedStyle(element).backgroundColor);
            if (colour.length === 3) return colour;
        }
    };
    const faint = [];
    for (const element of document.querySelectorAll('body *')) {
        const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!words || !element.checkVisibility()) continue;
        const [one, other] = [light(channels(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
        const contrast = (one + 0.05) / (other + 0.05);
        if (contrast < 4.5) faint.push(`${element.textContent}: ${contrast.toFixed(2)}`);
    }
    return faint;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn every_word_is_readable_in_light_and_dark_narrow_and_wide() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    ask(&node, &"long".repeat(15), 4);
    browser.until_text("#top tbody", "long").await;
    for colours in ["light", "dark"] {
        browser.has_colours(colours).await;
        assert_eq!(browser.value(FAINT).await, json!([]), "{colours}");
    }
    for width in [320, 360, 768, 1024, 1600] {
        browser.has_size(width, 900).await;
        let wider = browser.value("document.documentElement.scrollWidth - innerWidth").await;
        assert!(wider.as_i64().unwrap() <= 0, "at {width} the page is too wide by {wider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_has_a_name_and_shows_its_focus() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    browser.until(&row("search")).await;
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await;
    let roles =
        ["button", "textbox", "combobox", "radio", "link", "searchbox", "image", "region", "main", "table"];
    let named = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
    let of_roles = named.filter(|node| roles.contains(&node["role"]["value"].as_str().unwrap_or_default()));
    let nameless: Vec<_> = of_roles
        .filter(|node| {
            node["role"]["value"] != "main" && node["name"]["value"].as_str().unwrap_or_default().is_empty()
        })
        .collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
    // The first stop leads past everything that is the same on each visit.
    browser.presses(Key::Tab).await;
    assert_eq!(browser.text(":focus").await, "Skip to the content");
    for _ in 0..12 {
        browser.presses(Key::Tab).await;
        let marked = "[document.activeElement, document.activeElement.nextElementSibling].some((element) => \
             element && getComputedStyle(element).outlineStyle !== 'none')";
        assert_eq!(
            browser.value(marked).await,
            json!(true),
            "{}",
            browser.value("document.activeElement.outerHTML").await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_asked_for_once_in_each_tab() {
    let node = Node::builder().flags(&["--token", "correct-horse-battery-staple"]).start();
    let browser = Browser::open(&node.url("/")).await;
    browser.until("document.activeElement.id === 'token'").await;
    assert!(!browser.text("body").await.contains("Refused most"), "nothing is claimed that is not known");
    browser.types("wrong").await;
    browser.presses(Key::Enter).await;
    browser.until_text("#token-wrong", "did not take this token").await;
    browser.types("correct-horse-battery-staple").await;
    browser.presses(Key::Enter).await;
    browser.until_text("#policies-title", "Policies").await;
    browser
        .until("document.querySelector('#token-form').hidden && !document.querySelector('#service').hidden")
        .await;
    browser.reload().await;
    browser.until_text("#service-state", "active").await;
    let urls = browser.requests().await;
    assert!(urls.iter().all(|url| !url.contains("correct-horse")), "addresses get into logs: {urls:?}");
    browser.click("#forget-token").await;
    browser.until("document.activeElement.id === 'token'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_the_service_is_gone_and_comes_back_by_itself() {
    let mut node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    ask(&node, "ada", 8);
    browser.until_text("#top tbody", "ada").await;
    node.terminate();
    browser.until_text("#notice", "The connection to the service was lost. What you see is from").await;
    browser.until_text("#service-state", "not reached").await;
    let policies = node.path("policies.toml");
    let again =
        Node::builder().flags(&["--listen", &node.http(), "--policies", policies.to_str().unwrap()]).start();
    browser.until_text("#service-state", "active").await;
    browser.until("document.querySelector('#notice').hidden").await;
    // All is counted anew by the new process.
    browser.until_text("#no-top", "Nobody was refused").await;
    ask(&again, "bob", 4);
    browser.until_text("#top tbody", "bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changes_its_state_when_that_is_confirmed() {
    let node = Node::with_policies(POLICIES);
    let browser = Browser::open(&node.url("/")).await;
    let button = "[aria-label='Suspend reports']";
    browser.until(&format!("document.querySelector(\"{button}\")")).await;
    browser.click(button).await;
    browser.until_text("#confirm", "Requests are no longer limited by it").await;
    // The answer at hand is the one that changes nothing.
    browser.presses(Key::Enter).await;
    browser.until("!document.querySelector('#confirm').open").await;
    browser.click(button).await;
    browser.until("document.querySelector('#confirm').open").await;
    browser.click("#confirm-yes").await;
    browser
        .until(&format!("{}?.querySelector('.state').innerText === 'suspended'", row("Monthly reports")))
        .await;
    let file = fs::read_to_string(node.path("policies.toml")).unwrap();
    assert!(file.contains("suspended"), "{file}");
    browser.until_text("#announcement", "reports is suspended now.").await;
    let focus = browser.value("document.activeElement.getAttribute('aria-label')").await;
    assert_eq!(focus, json!("Activate reports"), "the keyboard is where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_service_says_what_to_do() {
    let node = Node::start(&[]);
    let browser = Browser::open(&node.url("/")).await;
    browser.until_text("#no-policy", "No policy yet: write one into a file").await;
    browser.until_text("#no-traffic", "curl http://").await;
    browser.until_text("#no-backend", "--redis").await;
}

//! What a layer adds to a request: `cargo bench --bench http --features axum`.
//!
//! A service in memory, one thread, one client: the service alone, behind tollgate's layer, behind `tower_governor`'s. Options as `compare`. Every row also
//! counts what was admitted.

mod common;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response, StatusCode};
use tollgate::http::{ClientAddress, HeaderDialect, Key, Limit, Missing, RateLimitLayer};
use tollgate::{Limiter, Quota};
use tower::{Layer, Service};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::PeerIpKeyExtractor;

use common::Outcome;
use common::options::Options;
use common::rounds::{Arm, Sample, quartiles, race};
use common::table::{Report, figure, machine, time};
use common::threads::drive;
use common::works::sample;

const REQUESTS: usize = 1_000_000;
const ROUNDS: usize = 9;

/// A day without tokens is longer than any run: nothing comes back.
const ONE_A_DAY: Quota = Quota::per_day(1);
const DAY_NANOS: u64 = 86_400_000_000_000;

/// More than a run spends.
const PLENTY: u32 = u32::MAX;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let requests = options.size(REQUESTS, 10_000);
    let mut report = Report::default();
    report.line(&format!(
        "http: {}; {} interleaved rounds; wall time per request, one thread, one client by address",
        machine(),
        rounds.measured
    ));
    report.head(&[
        "work",
        "service alone",
        "with tollgate",
        "with tower_governor",
        "tollgate adds",
        "tower_governor adds",
        "tollgate / tower_governor",
        "goal",
        "admitted vs exact",
    ]);
    let rows = [
        ("admitted, no header fields", true, false),
        ("admitted, header fields", true, true),
        ("refused, no header fields", false, false),
        ("refused, header fields", false, true),
    ];
    for (name, admits, fields) in rows {
        if !options.wants(name) {
            continue;
        }
        let arms =
            vec![alone(requests), tollgate(requests, admits, fields)?, governor(requests, admits, fields)?];
        row(&mut report, name, admits && !fields, &race(arms, rounds)?);
    }
    report.finish(options.table.as_deref())
}

fn row(report: &mut Report, name: &str, has_goal: bool, samples: &[Vec<Sample>]) {
    let names = ["service alone", "tollgate", "tower_governor"];
    let admitted = report.admitted(name, &names, samples);
    let rounds = || (0..samples[0].len()).map(|round| [0, 1, 2].map(|arm: usize| samples[arm][round].nanos));
    let [_, ours, _] = quartiles(rounds().map(|[alone, ours, _]| ours - alone).collect());
    let [_, theirs, _] = quartiles(rounds().map(|[alone, _, theirs]| theirs - alone).collect());
    let [low, middle, high] =
        quartiles(rounds().map(|[alone, ours, theirs]| (ours - alone) / (theirs - alone)).collect());
    let goal = if has_goal { "250 ns or 0.5x" } else { "" };
    report.row(&[
        name.to_owned(),
        figure(&samples[0]),
        figure(&samples[1]),
        figure(&samples[2]),
        time(ours),
        time(theirs),
        format!("{middle:.2}x ({low:.2}-{high:.2})"),
        goal.to_owned(),
        admitted,
    ]);
}

/// Answers everything with nothing.
#[derive(Clone)]
struct Empty;

impl Service<Request<()>> for Empty {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Body::empty())))
    }
}

/// Sends requests one after the other, each with an address as axum leaves it.
fn send<S, B>(service: &S, requests: usize) -> u64
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone,
{
    let (mut service, mut passed) = (service.clone(), 0);
    let client = ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 51_234)));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..requests {
        let mut request = Request::new(());
        request.extensions_mut().insert(client);
        let _ = service.poll_ready(&mut context);
        if let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut context) {
            passed += u64::from(black_box(response).status() == StatusCode::OK);
        }
    }
    passed
}

fn arm<'a, S, B>(service: S, requests: usize, admits: bool) -> Arm<'a>
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone + Sync + 'a,
{
    let exact = if admits { requests as u64 } else { 0 };
    Box::new(move || {
        let driven = drive(1, requests, |range| send(&service, range.len()));
        Ok(sample(driven, requests, exact..=exact))
    })
}

fn alone<'a>(requests: usize) -> Arm<'a> {
    arm(Empty, requests, true)
}

fn tollgate<'a>(requests: usize, admits: bool, fields: bool) -> Outcome<Arm<'a>> {
    let quota = if admits { Quota::per_second(PLENTY) } else { ONE_A_DAY };
    let limiter = Arc::new(Limiter::new(quota));
    let by_client = Key::client(ClientAddress::peer()).or(Missing::Shared);
    let limit = Limit::new("per-client", limiter).by(by_client);
    let dialects = fields.then_some(HeaderDialect::Draft11);
    let layer = RateLimitLayer::builder().limit(limit).headers(dialects).build()?;
    let service = layer.layer(Empty);
    if !admits {
        send(&service, 1);
    }
    Ok(arm(service, requests, admits))
}

fn governor<'a>(requests: usize, admits: bool, fields: bool) -> Outcome<Arm<'a>> {
    let mut builder = GovernorConfigBuilder::default().key_extractor(PeerIpKeyExtractor);
    let (nanos, burst) = if admits { (1, PLENTY) } else { (DAY_NANOS, 1) };
    builder.per_nanosecond(nanos).burst_size(burst);
    let zero = "tower_governor refuses a period or a burst of zero, which these are not";
    if fields {
        let layer: GovernorLayer<_, _, Body> =
            GovernorLayer::new(builder.use_headers().finish().ok_or(zero)?);
        let service = layer.layer(Empty);
        if !admits {
            send(&service, 1);
        }
        Ok(arm(service, requests, admits))
    } else {
        let layer: GovernorLayer<_, _, Body> = GovernorLayer::new(builder.finish().ok_or(zero)?);
        let service = layer.layer(Empty);
        if !admits {
            send(&service, 1);
        }
        Ok(arm(service, requests, admits))
    }
}

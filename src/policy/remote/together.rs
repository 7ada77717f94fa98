//! Asking several at the same time.

use std::future::poll_fn;
use std::task::Poll;

use crate::distributed::BoxFuture;

/// Whether all say yes. Once one says no, the others are not waited for: they are dropped.
pub(in crate::policy) async fn all(mut questions: Vec<BoxFuture<'_, bool>>) -> bool {
    poll_fn(|context| {
        let mut place = 0;
        while place < questions.len() {
            match questions[place].as_mut().poll(context) {
                Poll::Ready(false) => return Poll::Ready(false),
                Poll::Ready(true) => drop(questions.remove(place)),
                Poll::Pending => place += 1,
            }
        }
        if questions.is_empty() { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

//! Several futures at once within one task, all of them awaited.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// All results, in the order of the futures.
pub(super) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let slots = futures.into_iter().map(|future| Slot::Running(Box::pin(future))).collect();
    All(slots).await
}

enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Ready(F::Output),
}

struct All<F: Future>(Vec<Slot<F>>);

// The futures are boxed and the results are moved as wholes: nothing here is pinned in place.
impl<F: Future> Unpin for All<F> {}

impl<F: Future> Future for All<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waiting = false;
        for slot in &mut self.0 {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *slot = Slot::Ready(output),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        let outputs = std::mem::take(&mut self.0).into_iter().filter_map(|slot| match slot {
            Slot::Ready(output) => Some(output),
            Slot::Running(_) => None,
        });
        Poll::Ready(outputs.collect())
    }
}

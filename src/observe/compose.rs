//! Observers made of observers: none, a shared one, several.

use std::sync::Arc;

use super::{Decided, Observer};
#[cfg(feature = "policy")]
use crate::policy::PolicyReload;

/// Nobody looks.
impl Observer for () {}

/// Passes everything on to what a pointer points to.
macro_rules! observes_through {
    ($pointer:ty) => {
        impl<O: Observer + ?Sized> Observer for $pointer {
            fn decided(&self, decision: &Decided<'_>) {
                (**self).decided(decision);
            }

            fn wants_duration(&self) -> bool {
                (**self).wants_duration()
            }

            fn failed(&self, policy: &str, kind: &'static str) {
                (**self).failed(policy, kind);
            }

            #[cfg(feature = "policy")]
            fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
                (**self).policies_reloaded(reload);
            }
        }
    };
}

observes_through!(&O);
observes_through!(Arc<O>);

/// Passes everything on to each member, in their order.
macro_rules! all_of_them_observe {
    ($($observer:ident . $position:tt),+) => {
        impl<$($observer: Observer),+> Observer for ($($observer,)+) {
            fn decided(&self, decision: &Decided<'_>) {
                $(self.$position.decided(decision);)+
            }

            fn wants_duration(&self) -> bool {
                $(self.$position.wants_duration())||+
            }

            fn failed(&self, policy: &str, kind: &'static str) {
                $(self.$position.failed(policy, kind);)+
            }

            #[cfg(feature = "policy")]
            fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
                $(self.$position.policies_reloaded(reload);)+
            }
        }
    };
}

all_of_them_observe!(A.0, B.1);
all_of_them_observe!(A.0, B.1, C.2);
all_of_them_observe!(A.0, B.1, C.2, D.3);

/// All of them look, in their order.
impl<O: Observer> Observer for Vec<O> {
    fn decided(&self, decision: &Decided<'_>) {
        for observer in self {
            observer.decided(decision);
        }
    }

    fn wants_duration(&self) -> bool {
        self.iter().any(Observer::wants_duration)
    }

    fn failed(&self, policy: &str, kind: &'static str) {
        for observer in self {
            observer.failed(policy, kind);
        }
    }

    #[cfg(feature = "policy")]
    fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
        for observer in self {
            observer.policies_reloaded(reload);
        }
    }
}

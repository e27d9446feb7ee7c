//! Orders to the exchanges of a world: calls placed and changed, as functions order them.

use std::collections::BTreeMap;

use offhook::base::Machine;
use offhook::base::id::CallSid;
use offhook::call::order::Payer;
use offhook::call::{CallRecord, Change, Denied, Order, Placement};
use offhook::exchange::{Input, OrderNumber, Outcome};

use super::World;

/// What became of orders, by their numbers.
#[derive(Default)]
pub struct Orders {
    last: u64,
    outcomes: BTreeMap<OrderNumber, Vec<Outcome>>,
}

impl Orders {
    pub fn told(&mut self, number: OrderNumber, outcome: Outcome) {
        self.outcomes.entry(number).or_default().push(outcome);
    }
}

fn own(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(own).collect()
}

impl World {
    /// Orders something of one exchange, or of all.
    fn order_of(&mut self, one: Option<usize>, order: &Order) -> Vec<Outcome> {
        self.orders.last += 1;
        let number = OrderNumber(self.orders.last);
        for (index, exchange) in self.exchanges.iter_mut().enumerate() {
            if one.is_none_or(|one| one == index) {
                exchange.handle(self.now, Input::Order(number, Box::new(order.clone())));
            }
        }
        self.drain();
        self.orders.outcomes.remove(&number).unwrap_or_default()
    }

    /// Places a call with these parameters; some exchange does it.
    pub fn place(&mut self, parameters: &[(&str, &str)]) -> Result<CallRecord, Denied> {
        self.place_it(Placement::read(&own(parameters))?)
    }

    /// The same at somebody's expense.
    pub fn place_for(
        &mut self,
        parameters: &[(&str, &str)],
        payer: Payer,
    ) -> Result<CallRecord, Denied> {
        let placement = Placement::read(&own(parameters))?;
        self.place_it(Placement { payer: Some(payer), ..placement })
    }

    fn place_it(&mut self, placement: Placement) -> Result<CallRecord, Denied> {
        let order = Order::Place(Box::new(placement));
        let one = self.rng.below(self.exchanges.len() as u64) as usize;
        match self.order_of(Some(one), &order).pop() {
            Some(Outcome::Done(record)) => Ok(*record),
            Some(Outcome::Denied(denied)) => Err(denied),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Changes a call with these parameters; `None` where no exchange has it.
    pub fn change(
        &mut self,
        sid: CallSid,
        parameters: &[(&str, &str)],
    ) -> Option<Result<CallRecord, Denied>> {
        let change = match Change::read(&own(parameters)) {
            Ok(change) => change,
            Err(denied) => return Some(Err(denied)),
        };
        let outcomes = self.order_of(None, &Order::Change(sid, Box::new(change)));
        assert_eq!(outcomes.len(), self.exchanges.len(), "each answers");
        let mut known = outcomes.into_iter().filter_map(|outcome| match outcome {
            Outcome::Done(record) => Some(Ok(*record)),
            Outcome::Denied(denied) => Some(Err(denied)),
            Outcome::Elsewhere => None,
        });
        let found = known.next();
        assert!(known.next().is_none(), "one exchange at most has it");
        found
    }

    /// The same, which must succeed.
    pub fn changed(&mut self, sid: CallSid, parameters: &[(&str, &str)]) -> CallRecord {
        self.change(sid, parameters).expect("it is there").expect("it can be changed")
    }
}

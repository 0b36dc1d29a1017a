//! Changes of single keys that depend on what they were.

use crate::language::{Item, Op, bytes, word};
use crate::{Outcome, Runner, yes_no};

impl Runner {
    pub(crate) fn atomic(&self, op: &Op) -> Result<Outcome, String> {
        let db = self.db(op.object("db"))?;
        let key = op.bytes(0)?;
        Ok(match op.name.as_str() {
            "compare_and_swap" => {
                let there = |i| op.argument(i).map(|token| token != "none");
                let or_not = |i| there(i).and_then(|there| if there { bytes(op.argument(i)?) } else { Ok(Vec::new()) });
                let (has_old, has_new) = (there(1)?, there(2)?);
                self.lend2(or_not(1)?, or_not(2)?, |old, new| {
                    self.lend(key, |k| db.compare_and_swap(k, has_old.then_some(old), has_new.then_some(new)))
                })
                .map(yes_no)
            }
            "put_if_absent" => self.lend2(key, op.bytes(1)?, |k, v| db.put_if_absent(k, v)).map(yes_no),
            "fetch_add" => {
                let delta = op.argument(1)?;
                let delta = delta.parse().map_err(|_| format!("{delta} is no number"))?;
                self.lend(key, |k| db.fetch_add(k, delta)).map(|before| vec![word(&before.to_string())])
            }
            "update_append" => {
                let more = op.bytes(1)?;
                let append = |old: Option<&[u8]>| Some([old.unwrap_or_default(), &more].concat());
                self.lend(key, |k| db.update(k, append)).map(given)
            }
            _ => self.lend(key, |k| db.update(k, |_| None)).map(given),
        })
    }
}

fn given(new: Option<Vec<u8>>) -> Vec<Item> {
    vec![new.map_or(word("NOT_FOUND"), Item::Bytes)]
}

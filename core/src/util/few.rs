//! Values of which there is most often one: it lies here, and only several lie in memory of their own.

use std::ops::{Deref, DerefMut};
use std::{iter, option, vec};

/// A growing list that allocates from the second value on.
#[derive(Clone, Debug)]
pub(crate) struct Few<T> {
    /// The only one, if `many` is empty.
    one: Option<T>,
    many: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) const fn new() -> Few<T> {
        Few { one: None, many: Vec::new() }
    }

    /// Makes place for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        if self.len() + more > 1 {
            self.many.reserve(self.len() + more - self.many.len());
        }
    }

    pub(crate) fn push(&mut self, value: T) {
        if self.one.is_none() && self.many.capacity() == 0 {
            self.one = Some(value);
        } else {
            self.many.extend(self.one.take());
            self.many.push(value);
        }
    }

    /// Splits off the values from `at` on.
    pub(crate) fn split_off(&mut self, at: usize) -> Few<T> {
        self.many.extend(self.one.take());
        Few { one: None, many: self.many.split_off(at) }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few::new()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        if self.one.is_some() { self.one.as_slice() } else { &self.many }
    }
}

impl<T> DerefMut for Few<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        if self.one.is_some() { self.one.as_mut_slice() } else { &mut self.many }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = iter::Chain<option::IntoIter<T>, vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.one.into_iter().chain(self.many)
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let values = values.into_iter();
        self.reserve(values.size_hint().0);
        values.for_each(|value| self.push(value));
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Few<T> {
        let mut few = Few::new();
        few.extend(values);
        few
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_takes_no_memory() {
        let mut few = Few::new();
        few.reserve(1);
        few.push(7);
        assert_eq!((&few[..], few.many.capacity()), (&[7][..], 0));
        few.push(8);
        assert_eq!(&few[..], &[7, 8]);
    }

    proptest! {
        #[test]
        fn it_is_a_vector(steps in prop::collection::vec((0..4_u8, 0..5_usize), 0..20)) {
            let (mut few, mut many) = (Few::new(), Vec::new());
            for (i, (what, n)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => {
                        few.push(i);
                        many.push(i);
                    }
                    2 => {
                        few.extend((0..n).map(|j| i + j));
                        many.extend((0..n).map(|j| i + j));
                    }
                    _ => {
                        let at = n.min(many.len());
                        prop_assert_eq!(&few.split_off(at)[..], &many.split_off(at)[..]);
                    }
                }
                prop_assert_eq!(&few[..], &many[..]);
                few.iter_mut().for_each(|value| *value += 1);
                many.iter_mut().for_each(|value| *value += 1);
            }
            prop_assert_eq!(few.clone().into_iter().collect::<Vec<_>>(), many.clone());
            prop_assert_eq!(&few.into_iter().collect::<Few<_>>()[..], &many[..]);
        }
    }
}

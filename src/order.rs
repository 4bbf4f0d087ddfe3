//! Sorting and finding, compiled once. The standard library's sorts and maps are compiled anew for every type, at some 5 KB each,
//! in a program that is loaded over the network; the functions here only handle indices into a list.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Sorts a list; equal items keep their order.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order = order(items.len(), &|a, b| compare(&items[a], &items[b]));
    for at in 0..items.len() {
        // The item has been swapped away if its place was filled before.
        let mut from = order[at];
        while from < at {
            from = order[from];
        }
        order[at] = from;
        items.swap(at, from);
    }
}

/// The indices of a list's items in sorted order.
fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(|&a, &b| compare(a, b));
    order
}

/// A map from names to their indices in a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(HashMap<String, usize>);

impl Places {
    /// The index of a name.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }

    /// Gives a name an index. Returns the index that it had before, if any.
    pub(crate) fn insert(&mut self, name: &str, place: usize) -> Option<usize> {
        self.0.insert(name.to_owned(), place)
    }

    /// Number of names.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The item with this name in the list that the indices refer to; if there is none, a new item is added at the end.
    pub(crate) fn entry<'a, T>(
        &mut self,
        list: &'a mut Vec<T>,
        name: &str,
        new: impl FnOnce() -> T,
    ) -> &'a mut T {
        let place = self.get(name).unwrap_or_else(|| {
            self.insert(name, list.len());
            list.push(new());
            list.len() - 1
        });
        &mut list[place]
    }
}

impl FromIterator<(String, usize)> for Places {
    fn from_iter<I: IntoIterator<Item = (String, usize)>>(names: I) -> Self {
        let mut places = Self::default();
        for (name, place) in names {
            places.0.insert(name, place);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_is_that_of_the_standard_library() {
        let mut state = 1u32;
        for length in [0, 1, 2, 3, 10, 1000] {
            let items: Vec<(u32, usize)> = (0..length)
                .map(|at| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 28, at)
                })
                .collect();
            for items in [
                items.clone(),
                items.iter().copied().rev().collect(),
                (0..length).map(|at| (0, at)).collect(),
            ] {
                let (mut ours, mut theirs) = (items.clone(), items);
                sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
                theirs.sort_by_key(|item| item.0);
                assert_eq!(ours, theirs);
            }
        }
    }

    #[test]
    fn a_name_has_one_place() {
        let (mut places, mut list) = (Places::default(), Vec::new());
        for name in ["b", "a", "b"] {
            *places.entry(&mut list, name, || (name, 0)) = (name, list.len());
        }
        assert_eq!(list.len(), 2);
        assert_eq!(places.get("a"), Some(1));
        assert_eq!(places.get("c"), None);
    }
}

//! Others whose answers are wrong: what does not fit its task ends the run, and so does a number that is not the right one.

use crate::crew::shared_with;
use np_lora::container::Bytes;
use np_lora::error::Code;
use np_lora::fusion::settings::Recompress;
use np_lora::fusion::{Compute, Computed, Done, Held, Made, Parcel, Piece, Seen, Settings, What};
use std::ops::Range;

/// Bytes that are gone when they are wanted.
#[derive(Debug)]
struct Gone(usize);

impl Held for Gone {
    fn length(&self) -> usize {
        self.0
    }

    fn part(&self, _: Range<usize>) -> Option<Bytes> {
        None
    }
}

pub(crate) fn edited(mut done: Done, edit: fn(&mut Piece)) -> Done {
    done.pieces_mut().into_iter().flatten().for_each(edit);
    done
}

#[test]
fn an_answer_that_does_not_fit_its_task_ends_the_run() {
    let lies: [fn(Done) -> Done; 15] = [
        // Nothing was read, or something else.
        |mut done| {
            if let Done::Seen(Seen::Read { checksums, .. }) = &mut done {
                checksums.clear();
            }
            done
        },
        |mut done| {
            if let Done::Seen(Seen::Read { first, .. }) = &mut done {
                *first += 1;
            }
            done
        },
        // Another group was compared, or another file.
        |mut done| {
            if let Done::Seen(Seen::Repeated { group, .. }) = &mut done {
                *group += 1;
            }
            done
        },
        |mut done| {
            if let Done::Seen(Seen::Repeated { file, .. }) = &mut done {
                *file += 1;
            }
            done
        },
        // A tensor is missing, is another, or comes twice.
        |done| edited(done, |piece| piece.tensors.truncate(1)),
        |done| edited(done, |piece| piece.tensors[0].at += 1),
        |done| {
            edited(done, |piece| {
                piece.tensors.extend_from_within(..);
                let bytes = piece.bytes.part(0..piece.bytes.length()).unwrap_or_default();
                piece.bytes = Parcel::new(Bytes::from([&bytes[..], &bytes[..]].concat()));
            })
        },
        // Bytes are missing, or gone, or there are too many.
        |done| edited(done, |piece| piece.bytes = Parcel::new(Gone(piece.bytes.length()))),
        |done| {
            edited(done, |piece| {
                piece.bytes = Parcel::new(piece.bytes.part(1..piece.bytes.length()).unwrap_or_default());
            })
        },
        |done| {
            edited(done, |piece| {
                let bytes = piece.bytes.part(0..piece.bytes.length()).unwrap_or_default();
                piece.bytes = Parcel::new(Bytes::from([&bytes[..], &[0]].concat()));
            })
        },
        // There is none for one of the results, or it is for those of another pass.
        |mut done| {
            done.pieces_mut().into_iter().for_each(Vec::clear);
            done
        },
        |mut done| {
            if let Done::Computed(computed) = &mut done {
                computed.of.pass += 1;
            }
            done
        },
        // Something else was computed, or looked at.
        |done| match done {
            Done::Computed(computed) => {
                Done::Computed(Computed { made: Made::Ranks(Vec::new()), ..computed })
            }
            Done::Seen(_) => done,
        },
        |done| match done {
            Done::Computed(_) => Done::Seen(Seen::Read { file: 0, first: 0, checksums: Vec::new() }),
            Done::Seen(_) => done,
        },
        |done| match done {
            Done::Computed(_) => done,
            Done::Seen(_) => {
                let of = Compute { what: What::Fusion, pass: 0, groups: Vec::new() };
                Done::Computed(Computed { of, made: Made::Fusion(Vec::new()), gave_up: None })
            }
        },
    ];
    let settings = Settings { output_name: "out".into(), ..Settings::default() };
    for (number, lie) in lies.into_iter().enumerate() {
        // Others who have places for all of it do all of it.
        let error = shared_with(&[settings.clone().into()], 100, 1, usize::MAX, lie).err();
        assert_eq!(error.map(|error| error.code), Some(Code::Internal), "lie {number}");
    }
}

/// Wrong numbers with the right checksum: only what is computed once more tells.
#[test]
fn numbers_that_were_wrong_when_they_were_written_are_found() {
    fn rewritten(piece: &mut Piece, edit: fn(&mut [u8])) {
        let mut bytes = piece.bytes.part(0..piece.bytes.length()).unwrap_or_default().to_vec();
        let mut at = 0;
        for tensor in &mut piece.tensors {
            let part = &mut bytes[at..at + tensor.length];
            edit(part);
            tensor.checksum = xxhash_rust::xxh3::xxh3_64(part);
            at += tensor.length;
        }
        piece.bytes = Parcel::new(Bytes::from(bytes));
    }
    // One value in each tensor has lost its sign; all are a tenth smaller or larger (of F16: by an eighth at most).
    let one: fn(Done) -> Done = |done| edited(done, |piece| rewritten(piece, |part| part[1] ^= 0x80));
    let little: fn(Done) -> Done = |done| {
        edited(done, |piece| rewritten(piece, |part| part.chunks_exact_mut(2).for_each(|w| w[0] ^= 0x80)))
    };
    let none: fn(Done) -> Done = |done| edited(done, |piece| rewritten(piece, |part| part.fill(0)));
    let settings = Settings { output_name: "out".into(), ..Settings::default() };
    let cut = Settings { recompress: Recompress::Rank { rank: 1 }, ..settings.clone() };
    for (what, settings, lie) in [
        ("a sign", &settings, one),
        ("last digits", &settings, little),
        ("all", &settings, none),
        ("all of what is cut", &cut, none),
        ("a sign of what is cut", &cut, one),
    ] {
        let error = shared_with(&[settings.clone().into()], 100, 1, usize::MAX, lie).err();
        assert_eq!(error.map(|error| error.code), Some(Code::Verify), "{what}");
    }
}

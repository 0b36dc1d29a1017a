//! What the boundary costs, as figures to read: the same call through the C ABI and on the core, in turns in one run.
//!
//! cargo test --release -p bitcask-ffi -- --ignored --nocapture overhead

use std::ffi::CString;
use std::hint::black_box;
use std::ptr::{null, null_mut};
use std::time::Instant;

use engine::Db;

use crate::handles::enter;
use crate::store::{bitcask_close, bitcask_contains, bitcask_db, bitcask_get, bitcask_get_into, bitcask_open};
use crate::value::{bitcask_value_bytes, bitcask_value_free};

// Many short rounds, so that on a busy machine each call has some that nobody interrupted.
const CALLS: u32 = 5_000;
const ROUNDS: usize = 500;

/// Nanoseconds a call, the least of several rounds that take turns with one another.
fn least(calls: &mut [(&str, &mut dyn FnMut())]) -> Vec<f64> {
    let mut least = vec![f64::INFINITY; calls.len()];
    for _ in 0..ROUNDS {
        for (n, (_, call)) in calls.iter_mut().enumerate() {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            least[n] = least[n].min(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
        }
    }
    least
}

#[test]
#[ignore = "prints figures"]
#[allow(clippy::print_stdout)]
fn overhead_of_the_boundary() {
    let dir = std::env::temp_dir().join(format!("bitcask-overhead-{}", std::process::id()));
    let path = CString::new(dir.as_os_str().as_encoded_bytes()).unwrap();
    let mut db: *mut bitcask_db = null_mut();
    // SAFETY: all pointers are to live objects of this function; the same holds for each block below.
    assert_eq!(unsafe { bitcask_open(path.as_ptr(), null(), &raw mut db, null_mut()) }, 0);
    let core: Db = enter(db).unwrap().db.clone();
    core.put(b"key", &[7; 150]).unwrap();
    let (key, mut one, mut two) = (b"key", [0_u8; 256], [0_u8; 256]);
    // As from another language, the calls are not known to the compiler.
    let (get_into, contains, get) = black_box((
        bitcask_get_into as unsafe extern "C" fn(_, _, _, _, _, _, _) -> _,
        bitcask_contains as unsafe extern "C" fn(_, _, _, _) -> _,
        bitcask_get as unsafe extern "C" fn(_, _, _, _, _) -> _,
    ));
    let mut calls: [(&str, &mut dyn FnMut()); 7] = [
        ("enter and leave a store", &mut || drop(black_box(enter(black_box(db))))),
        ("core: get_into", &mut || assert_eq!(core.get_into(black_box(key), &mut one).unwrap(), Some(150))),
        ("C: get_into", &mut || {
            let mut len = 0_usize;
            // SAFETY: as above.
            let status =
                unsafe { get_into(db, key.as_ptr(), key.len(), two.as_mut_ptr(), two.len(), &raw mut len, null_mut()) };
            assert_eq!((status, len), (0, 150));
        }),
        ("core: contains", &mut || assert!(core.contains(black_box(key)).unwrap())),
        // SAFETY: as above.
        ("C: contains", &mut || assert_eq!(unsafe { contains(db, key.as_ptr(), key.len(), null_mut()) }, 0)),
        ("core: get, look, drop", &mut || assert_eq!(core.get(black_box(key)).unwrap().unwrap().len(), 150)),
        ("C: get, look, free", &mut || {
            let (mut value, mut data, mut len) = (null_mut(), null(), 0);
            // SAFETY: as above.
            unsafe {
                assert_eq!(get(db, key.as_ptr(), key.len(), &raw mut value, null_mut()), 0);
                assert_eq!(bitcask_value_bytes(value, &raw mut data, &raw mut len), 0);
            }
            bitcask_value_free(value);
            assert_eq!(len, 150);
        }),
    ];
    let least = least(&mut calls);
    calls.iter().zip(&least).for_each(|((name, _), ns)| println!("{name:<26} {ns:6.1} ns"));
    println!(
        "the boundary adds: get_into {:.1} ns, contains {:.1} ns, get {:.1} ns",
        least[2] - least[1],
        least[4] - least[3],
        least[6] - least[5]
    );
    // SAFETY: as above.
    unsafe { bitcask_close(db, null_mut()) };
    std::fs::remove_dir_all(&dir).unwrap();
}

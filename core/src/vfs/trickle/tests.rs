//! Everything gets there in the end.

use super::*;
use crate::vfs::sim::SimVfs;
use crate::vfs::{read_full_at, write_all_at};

#[test]
fn bytes_trickle_and_calls_are_interrupted() {
    let vfs = TrickleVfs::new(Arc::new(SimVfs::new(1)));
    let file = vfs.open(Path::new("/f"), OpenMode::CreateNew).unwrap();
    assert_eq!(file.write_at(b"abc", 0).unwrap(), 1);
    assert_eq!(file.read_at(&mut [0; 3], 0).unwrap(), 1);
    assert_eq!(file.read_at(&mut [0; 3], 0).unwrap_err().kind(), io::ErrorKind::Interrupted);
    write_all_at(&*file, b"abcdef", 0).unwrap();
    let mut buf = [0; 8];
    assert_eq!(read_full_at(&*file, &mut buf, 0).unwrap(), 6);
    assert_eq!(&buf[..6], b"abcdef");
    // 3 above; 6 moves of a write with an interrupt after every second; 6 of a read and the one that sees the end.
    assert_eq!(vfs.calls(), 3 + 6 + 2 + 7 + 4);
}

#[test]
fn the_pace_can_be_chosen_and_never_stops() {
    let sim: Arc<dyn Vfs> = Arc::new(SimVfs::new(1));
    let file = TrickleVfs::with(sim.clone(), 4, 0).open(Path::new("/f"), OpenMode::CreateNew).unwrap();
    assert_eq!(file.write_at(b"abcdef", 0).unwrap(), 4);
    for _ in 0..100 {
        assert_eq!(file.read_at(&mut [0; 4], 0).unwrap(), 4, "0 interrupts none");
    }
    let file = TrickleVfs::with(sim.clone(), 4, 1).open(Path::new("/f"), OpenMode::Read).unwrap();
    let interrupted: Vec<_> = (0..4).map(|_| file.read_at(&mut [0; 4], 0).is_err()).collect();
    assert_eq!(interrupted, [false, true, false, true]);
    for (bytes, interrupts) in [(0, 0), (0, 1), (2, 2), (usize::MAX, 1)] {
        let file = TrickleVfs::with(sim.clone(), bytes, interrupts).open(Path::new("/f"), OpenMode::ReadWrite).unwrap();
        write_all_at(&*file, b"xyz", 1).unwrap();
    }
}

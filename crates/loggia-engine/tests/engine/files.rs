//! Models on disk: what is written is read again, and damage is told from data.

use loggia_engine::model::{DataModel, ReadError};

use crate::kit::tables;

const TABLES: &str = "
Flights: Carrier, Origin, Hour, Delay
AA, JFK, 1, 5
AA, LGA, 2, -
UA, JFK, 2, 007

Weather: Origin, Hour, Sky
JFK, 1, clear
LGA, 2, rain

Carriers: Carrier, Name
AA, American
UA, United
";

fn written() -> (DataModel, Vec<u8>) {
    let model = DataModel::link(tables(TABLES)).unwrap().model;
    let mut bytes = Vec::new();
    model.write(&mut bytes).unwrap();
    (model, bytes)
}

#[test]
fn what_is_written_is_read_again() {
    let (model, bytes) = written();
    let read = DataModel::read(&bytes).unwrap();
    assert_eq!(read.tables(), model.tables());
    assert_eq!(read.fields(), model.fields());
    assert_eq!(read.warnings(), model.warnings());
    for table in model.tables() {
        for field in model.fields() {
            for row in 0..table.rows {
                let (new, old) =
                    (read.cell(table.id, row, field.id), model.cell(table.id, row, field.id));
                assert_eq!((new, new.text()), (old, old.text()));
            }
        }
    }
    let mut again = Vec::new();
    read.write(&mut again).unwrap();
    assert_eq!(again, bytes);
}

#[test]
fn every_changed_bit_is_noticed() {
    let (_, bytes) = written();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(DataModel::read(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_cut_is_noticed_and_says_where() {
    let (_, bytes) = written();
    for end in 0..bytes.len() {
        assert!(DataModel::read(&bytes[..end]).is_err(), "cut at {end}");
    }
    let cut = DataModel::read(&bytes[..bytes.len() - 1]).unwrap_err();
    assert!(
        matches!(&cut, ReadError::Truncated { part } if part.starts_with("table $Syn 1 Table, column")),
        "{cut}"
    );
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(DataModel::read(&longer).unwrap_err(), ReadError::Trailing);
    assert_eq!(DataModel::read(b"PK\x03\x04").unwrap_err(), ReadError::NotAModel);
    let mut newer = bytes;
    newer[8] = 9;
    assert_eq!(DataModel::read(&newer).unwrap_err(), ReadError::Version { found: 9 });
}

//! A real directory: OpenLDAP's server with a folder and ports of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use loggia_model::entity::Hidden;
use loggia_repository::UserDirectoryEdit;

/// A running server. It ends with this value.
pub(crate) struct Slapd {
    child: Child,
    folder: tempfile::TempDir,
    plain: u16,
    encrypted: u16,
    /// Its authority, as PEM.
    pub(crate) authority: String,
}

/// People who are only there to be many.
pub(crate) const CROWD: usize = 2_500;
pub(crate) const PASSWORD: &str = "Grüße aus Jena";
const READER: &str = "cn=reader,dc=corp,dc=example";
const READER_PASSWORD: &str = "reads everything";
const ADMIN: &str = "cn=admin,dc=corp,dc=example";
const ADMIN_PASSWORD: &str = "writes everything";

impl Slapd {
    pub(crate) fn start() -> Slapd {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let authority = certificates(folder.path());
        std::fs::write(folder.path().join("slapd.conf"), configuration(folder.path())).unwrap();
        std::fs::write(folder.path().join("people.ldif"), people()).unwrap();
        let added = Command::new(program("slapadd"))
            .args(["-q", "-f"])
            .arg(folder.path().join("slapd.conf"))
            .arg("-l")
            .arg(folder.path().join("people.ldif"))
            .output()
            .unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let (child, plain, encrypted) = serve(folder.path());
        Slapd { child, folder, plain, encrypted, authority }
    }

    /// Settings that reach it without encryption, which this machine may.
    pub(crate) fn settings(&self) -> UserDirectoryEdit {
        UserDirectoryEdit {
            name: Some("CORP".to_owned()),
            urls: Some(vec![self.plain_url()]),
            bind_dn: Some(READER.to_owned()),
            bind_password: Some(Hidden::new(READER_PASSWORD)),
            base_dn: Some("ou=people,dc=corp,dc=example".to_owned()),
            attributes: Some(vec!["title".to_owned()]),
            group_base_dn: Some("ou=groups,dc=corp,dc=example".to_owned()),
            only_existing: Some(false),
            ..UserDirectoryEdit::default()
        }
    }

    pub(crate) fn plain_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.plain)
    }

    pub(crate) fn encrypted_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.encrypted)
    }

    /// Changes entries, as an administrator of the directory does.
    pub(crate) fn modify(&self, ldif: &str) {
        let mut child = Command::new(program("ldapmodify"))
            .args(["-x", "-H", &self.plain_url(), "-D", ADMIN, "-w", ADMIN_PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Ends it; the folder stays until the value goes.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
        let _ = self.folder.path();
    }
}

fn program(name: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin", "/sbin", "/usr/lib/openldap", "/usr/local/libexec"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "{name} is not installed: install OpenLDAP's server and tools (Debian: apt-get \
                 install slapd ldap-utils), or run `cargo xtask test`, which does it"
            )
        })
}

/// Listens at two free ports. Somebody else may take one in the moment between, so it is tried
/// again.
fn serve(folder: &Path) -> (Child, u16, u16) {
    for _ in 0..5 {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (free(), free());
        let (plain, encrypted) =
            (one.local_addr().unwrap().port(), other.local_addr().unwrap().port());
        drop((one, other));
        let addresses = format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{encrypted}");
        // With a million file handles it would set aside memory for each of them.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 1024; exec \"$@\"", "sh"])
            .arg(program("slapd"))
            .args(["-d", "none", "-h", &addresses, "-f"])
            .arg(folder.join("slapd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let started = lines.by_ref().map_while(Result::ok).any(|line| line.contains("starting"));
        if started {
            // Its further lines go nowhere, but must not fill the pipe either.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return (child, plain, encrypted);
        }
        let _ = child.wait();
    }
    panic!("slapd does not start; its configuration is in {}", folder.display())
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let schema = ["/etc/ldap/schema", "/etc/openldap/schema"]
        .into_iter()
        .find(|folder| Path::new(folder).is_dir())
        .expect("the schema of OpenLDAP is part of its package");
    format!(
        "include {schema}/core.schema\n\
         include {schema}/cosine.schema\n\
         include {schema}/inetorgperson.schema\n\
         pidfile {folder}/pid\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         TLSCACertificateFile {folder}/authority.pem\n\
         TLSCertificateFile {folder}/server.pem\n\
         TLSCertificateKeyFile {folder}/server.key\n\
         database mdb\n\
         directory {folder}/db\n\
         maxsize 67108864\n\
         suffix \"dc=corp,dc=example\"\n\
         rootdn \"{ADMIN}\"\n\
         rootpw \"{ADMIN_PASSWORD}\"\n\
         index objectClass,uid,member eq\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=\"{READER}\" read by anonymous auth by self read by * none\n\
         # Whoever asks for everybody at once gets a part.\n\
         limits dn.exact=\"{READER}\" size=1000 size.prtotal=unlimited\n"
    )
}

/// Entries with names that are hard to write down, groups in groups, and a circle of them.
fn people() -> String {
    let people = "ou=people,dc=corp,dc=example";
    let groups = "ou=groups,dc=corp,dc=example";
    let mut text = format!(
        "dn: dc=corp,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: Corp\n\n\
         dn: {people}\nobjectClass: organizationalUnit\n\n\
         dn: {groups}\nobjectClass: organizationalUnit\n\n\
         dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
         userPassword: {READER_PASSWORD}\n\n"
    );
    let mut person = |dn: &str, uid: &str, name: &str, more: &str| {
        write!(
            text,
            "dn: {dn},{people}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {name}\nsn: {name}\n\
             userPassword: {PASSWORD}\n{more}\n"
        )
        .unwrap();
    };
    person("uid=ana", "ana", "Ana Müller", "mail: ana@corp.example\ntitle: Chief\n");
    person("cn=Weiß\\, Jörg \\+ Co", "j*r(g)", "Weiß, Jörg + Co", "");
    person("uid=bea", "bea", "Bea", "");
    for number in 0..CROWD {
        let uid = format!("u{number:04}");
        person(&format!("uid={uid}"), &uid, &format!("Number {number}"), "");
    }
    let ana = format!("uid=ana,{people}");
    let jorg = format!("cn=Weiß\\, Jörg \\+ Co,{people}");
    for (dn, name, members) in [
        ("cn=sales", "sales", vec![ana]),
        ("cn=europe", "europe", vec![format!("cn=sales,{groups}"), format!("cn=world,{groups}")]),
        ("cn=world", "world", vec![format!("CN=Europe, {groups}")]),
        ("cn=R\\, D (core)*", "R, D (core)*", vec![jorg]),
        ("cn=odd", "odd", vec![format!("cn=R\\2c D (core)*,{groups}")]),
    ] {
        write!(text, "dn: {dn},{groups}\nobjectClass: groupOfNames\ncn: {name}\n").unwrap();
        for member in members {
            writeln!(text, "member: {member}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// An authority and the certificate of a server on this machine.
fn certificates(folder: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "Corp's own authority");
    let authority = parameters.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, key);
    let server_key = rcgen::KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = rcgen::CertificateParams::new(names).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    std::fs::write(folder.join("authority.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("server.pem"), server.pem()).unwrap();
    std::fs::write(folder.join("server.key"), server_key.serialize_pem()).unwrap();
    authority.pem()
}

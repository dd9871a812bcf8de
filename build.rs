//! Compiles `proto/message_router.proto` into messages, client, server and descriptor, with no
//! `protoc` installed.

use std::path::PathBuf;

use prost::Message as _;
use prost_build::{Service, ServiceGenerator};

const PROTO: &str = "proto/message_router.proto";

/// The RPCs that carry stored messages. Their server side takes answers that are encoded already,
/// so that a message is encoded once however many recipients it has. Clients see no difference.
const ANSWERED_ENCODED: [&str; 2] = ["SubscribeMessages", "GetPendingMessages"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    println!("cargo:rerun-if-changed=build.rs");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let builder = || tonic_prost_build::configure().build_transport(false);
    prost_build::Config::new()
        .bytes(["."])
        .service_generator(Box::new(EncodedAnswers {
            client: builder().build_server(false).service_generator(),
            server: builder().build_client(false).service_generator(),
        }))
        .compile_fds(descriptors)?;
    Ok(())
}

/// Generates the client as usual, and the server with `Encoded` answers where they are wanted.
struct EncodedAnswers {
    client: Box<dyn ServiceGenerator>,
    server: Box<dyn ServiceGenerator>,
}

impl ServiceGenerator for EncodedAnswers {
    fn generate(&mut self, mut service: Service, code: &mut String) {
        self.client.generate(service.clone(), code);
        for method in &mut service.methods {
            if ANSWERED_ENCODED.contains(&method.proto_name.as_str()) {
                method.output_type = format!("crate::Encoded<crate::v1::{}>", method.output_type);
            }
        }
        self.server.generate(service, code);
    }

    fn finalize_package(&mut self, package: &str, code: &mut String) {
        self.client.finalize_package(package, code);
        self.server.finalize_package(package, code);
    }
}

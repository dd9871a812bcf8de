use mpc_router_proto::v1;

/// A request that names a session, or who makes it: as it says, be it true or not. Empty if it does
/// not say.
pub(crate) trait Named {
    /// The session.
    fn session(&self) -> &str;

    /// Who acts.
    fn party(&self) -> &str;
}

macro_rules! named {
    ($($request:ident: $session:expr, $party:expr;)*) => {
        $(impl Named for v1::$request {
            fn session(&self) -> &str {
                let session: fn(&Self) -> &str = $session;
                session(self)
            }

            fn party(&self) -> &str {
                let party: fn(&Self) -> &str = $party;
                party(self)
            }
        })*
    };
}

named! {
    RouteMessageRequest: |it| &it.session_id, |it| &it.from_party;
    SubscribeMessagesRequest: |it| &it.session_id, |it| &it.party_id;
    GetPendingMessagesRequest: |it| &it.session_id, |it| &it.party_id;
    AcknowledgeMessageRequest: |it| &it.session_id, |it| &it.party_id;
    GetMessageStatusRequest: |it| &it.session_id, |_| "";
    RegisterPartyRequest: |_| "", |it| &it.party_id;
    HeartbeatRequest: |_| "", |it| &it.party_id;
    SubscribeSessionEventsRequest: |_| "", |it| &it.party_id;
    PublishSessionEventRequest: |it| it.event.as_ref().map_or("", |event| &event.session_id), |_| "";
    GetRegisteredPartiesRequest: |_| "", |_| "";
}

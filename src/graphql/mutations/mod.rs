//! The mutations, one per file with the name that it has in the schema. Each parses ids, calls the service of the same
//! name and converts the outcome into a payload.

use async_graphql::MergedObject;

mod abandon_message;
mod add_pool_member;
mod assign_quarantined_message;
mod cancel_message;
mod claim_thread;
mod close_thread;
mod confirm_phone_verification;
mod create_extension;
mod deactivate_extension;
mod discard_draft;
mod discard_quarantined_message;
mod exchange_sign_in_code;
mod mark_notifications_read;
mod mark_thread_read;
mod mark_thread_unread;
mod mark_voicemail_handled;
mod mark_voicemail_listened;
mod mutation_context;
mod release_thread;
mod remove_pool_member;
mod renew_session;
mod reopen_thread;
mod resend_message;
mod save_draft;
mod send_message;
mod set_availability;
mod set_opt_out;
mod set_presence;
mod start_call;
mod start_phone_verification;
mod start_thread;
mod transfer_thread;
mod update_contact;
mod update_extension;
mod update_pool;
mod update_pool_member;

/// The mutations. An expected error is returned as data in the payload's `userErrors`, and the mutation then changes
/// nothing.
#[derive(MergedObject, Default)]
pub struct Mutation(
    add_pool_member::AddPoolMemberMutation,
    update_pool_member::UpdatePoolMemberMutation,
    remove_pool_member::RemovePoolMemberMutation,
    update_pool::UpdatePoolMutation,
    create_extension::CreateExtensionMutation,
    update_extension::UpdateExtensionMutation,
    deactivate_extension::DeactivateExtensionMutation,
    claim_thread::ClaimThreadMutation,
    release_thread::ReleaseThreadMutation,
    transfer_thread::TransferThreadMutation,
    close_thread::CloseThreadMutation,
    reopen_thread::ReopenThreadMutation,
    mark_thread_read::MarkThreadReadMutation,
    mark_thread_unread::MarkThreadUnreadMutation,
    set_availability::SetAvailabilityMutation,
    set_presence::SetPresenceMutation,
    mark_notifications_read::MarkNotificationsReadMutation,
    send_message::SendMessageMutation,
    start_thread::StartThreadMutation,
    resend_message::ResendMessageMutation,
    abandon_message::AbandonMessageMutation,
    cancel_message::CancelMessageMutation,
    save_draft::SaveDraftMutation,
    discard_draft::DiscardDraftMutation,
    set_opt_out::SetOptOutMutation,
    update_contact::UpdateContactMutation,
    start_call::StartCallMutation,
    mark_voicemail_listened::MarkVoicemailListenedMutation,
    mark_voicemail_handled::MarkVoicemailHandledMutation,
    start_phone_verification::StartPhoneVerificationMutation,
    confirm_phone_verification::ConfirmPhoneVerificationMutation,
    assign_quarantined_message::AssignQuarantinedMessageMutation,
    discard_quarantined_message::DiscardQuarantinedMessageMutation,
    renew_session::RenewSessionMutation,
    exchange_sign_in_code::ExchangeSignInCodeMutation,
);

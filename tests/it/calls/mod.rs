//! Calls: TwiML and routing, over the real webhooks and with a simulated carrier that follows the documents.

mod absent;
mod addresses;
mod answering;
mod caller_id;
mod fallback;
mod flow;
mod kill;
mod lists;
mod live;
mod missed_call_texts;
mod missed_voicemails;
mod not_rung;
mod orders;
mod outbound;
mod reports;
mod screening;
mod settings;
mod several_voicemails;
mod verification;
mod voicemail;

//! Calls: what callers hear and whom they reach, over the real webhooks and a carrier that follows our documents.

mod absent;
mod addresses;
mod answering;
mod caller_id;
mod fallback;
mod flow;
mod kill;
mod live;
mod missed_call_texts;
mod missed_voicemails;
mod orders;
mod outbound;
mod reports;
mod screening;
mod settings;
mod several_voicemails;
mod verification;
mod voicemail;

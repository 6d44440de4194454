"""Tests that run an agent and are no test of durable runs, by the reason. Patterns match pytest node ids.

A test that passes is not asked for here. What is merely different, and what we have not understood, is no
reason: those tests count as failed. A pattern names one test function, and only those of its parameters that
fail for the reason.
"""

from __future__ import annotations

WAITS_IN_MEMORY = (
    "durable code waits for an asyncio.Event that a model, a tool, a hook or the test sets: nothing but the "
    "journal can wake it, and the run is refused"
)
STAYS_SET = (
    "an asyncio.Event of the test is read on the deterministic loop and stays set from one attempt to the "
    "next, so that a replay goes another way; the journal's check of it ends the run"
)
WAITS_FOR_LATER_STEP = (
    "a step waits in memory for what comes after another step, or for a cancellation; an attempt that is "
    "replayed at every await hears of nothing before all its steps have ended"
)
OPEN_RESPONSE = (
    "goes on with a response that OpenAI's hosted multi-agent model has open in the process; an attempt that "
    "is replayed at every await finds it gone, and the run is refused. They pass live"
)
CANCELS_BETWEEN_TURNS = (
    "cancels a run at a turn of the event loop that it counts; a durable run is cancelled at its next await "
    "of the journal"
)
SESSION_OF_MCP = "gives an MCP server a session by hand; connections of a durable run are made by Perdure"
CLIENT = "patches a method of an OpenAI client, and a durable run calls a copy of it, without retries"
BY_IDENTITY = "asks whether an object is the very one that was made; from the journal comes an equal one"
EACH_ATTEMPT = (
    "counts calls of a function or lines of a log that every attempt repeats by design: they only shape what "
    "the model is shown, look a model up, or read a session before a write is repeated"
)
ASYNC_GUARDRAIL = (
    "counts or times calls of an async guardrail, or has it answer by their number: its code runs on the "
    "deterministic loop, so every attempt goes through it again, with what its steps recorded; its verdict "
    "is journaled"
)
OWN_COMPUTER = "counts the computers of a run: each attempt makes its own, and disposes of it"
SHARED_AGENT = (
    "two runs in one process change an agent under each other, and a replay finds it as they left it"
)

_BATCH = "tests/test_tool_batch_failure_history.py"
_NATIVE = "tests/test_native_tool_failure_history.py"
_BOUNDARIES = "tests/test_tool_failure_boundaries.py"
_START_HOOK = "tests/test_start_hook_tool_concurrency.py"
_HOSTED = "tests/extensions/experimental/hosted_multi_agent/test_model.py"
_RUNNER = "tests/test_agent_runner.py"

NOT_APPLICABLE: dict[str, list[str]] = {
    WAITS_IN_MEMORY: [
        "tests/test_guardrails.py::test_parallel_guardrail_may_not_prevent_tool_execution",
        "tests/test_guardrails.py::test_parallel_guardrail_trip_cancels_model_task",
        "tests/test_guardrails.py::test_parallel_guardrail_trip_compat_mode_does_not_cancel_model_task",
        "tests/test_guardrails.py::test_parallel_guardrail_non_tripwire_error_not_swallowed",
        "tests/test_guardrails.py::test_mixed_blocking_and_parallel_guardrails",
        f"{_RUNNER}::test_output_guardrail_cancellation_preserves_final_output_in_session",
        "tests/test_tool_name_collision_policy.py::test_missing_formatter_cancellation_keeps_nested_state_*",
        "tests/test_tool_name_collision_policy.py::test_missing_formatter_cancellation_precedes_sibling_*",
        "tests/memory/*::test_runner_skips_compaction_after_interleaved_persist",
        "tests/test_run_impl_resume_paths.py::test_failed_approval_callback_defers_stream_output_until_retry*",
        f"{_BATCH}::test_nonstreamed_partial_history_waits_for_input_verdict*",
        f"{_BATCH}::test_approved_mutable_snapshot_recovery_uses_publication_value*",
        f"{_BATCH}::test_completed_sibling_survives_tool_batch_failure?input-False?",
        f"{_BATCH}::test_input_guardrail_rejection_does_not_publish_partial_tools*",
        f"{_BATCH}::test_partial_history_freezes_accepted_output_before_metadata*",
        f"{_BATCH}::test_session_save_failure_preserves_primary_tool_error*",
        f"{_NATIVE}::test_native_finalization_survives_sibling_failure?*-extractor-*",
        f"{_START_HOOK}::test_resumed_agent_is_registered_before_handoff_enablement*",
        f"{_START_HOOK}::test_agent_is_registered_before_sequential_input_guardrail*",
    ],
    STAYS_SET: [f"{_NATIVE}::test_input_verdict_during_tool_drain_preserves_selected_tool_error*"],
    WAITS_FOR_LATER_STEP: [
        "tests/extensions/memory/test_encrypt_session.py::test_clear_revokes_encrypted_deferred_*",
        "tests/test_tool_exception_formatter.py::test_concurrent_runs_keep_their_own_formatter_and_parent_*",
        "tests/deferred_session_writes/test_recovery.py::test_callback_failure_preserves_model_order_for_*",
        f"{_RUNNER}::test_function_tool_queue_preserves_fifo_across_multiple_refills",
        "tests/test_agent_as_tool.py::test_agent_as_tool_resume_survives_cancellation_after_nested_output*",
        "tests/test_function_tool_approval_arguments.py::test_cancelled_policy_does_not_reuse_preparation_*",
        "tests/test_human_in_the_loop_server_example.py::test_consumption_prevents_in_flight_*?cancel?",
        "tests/test_run_impl_resume_paths.py::test_resumed_session_append_cancellation_retains_recoverable*",
        "tests/test_runner_tracing_disabled.py::test_disabled_runner_cancellation_preserves_concurrent_*",
        "tests/test_tool_approval_call_id_reuse.py::test_cancelled_approved_tool_body_does_not_reexecute",
        f"{_BATCH}::test_completed_sibling_survives_tool_batch_failure*",
        f"{_BATCH}::test_resumed_failure_keeps_accepted_history_and_reconciles_session?*-False?",
        f"{_BATCH}::test_approved_failure_diagnostics_preserve_retry_boundary*",
        f"{_BATCH}::test_fresh_guarded_terminal_failure_keeps_output_private?sibling-False?",
        f"{_BOUNDARIES}::test_completed_history_at_failure_boundaries?*cancel-False?",
        f"{_BOUNDARIES}::test_completed_program_child_retains_parent_after_sibling_failure?False-False?",
        f"{_NATIVE}::test_native_finalization_preserves_output_without_delaying_parent*",
        f"{_NATIVE}::test_native_finalization_survives_sibling_failure?*-hook-*",
    ],
    OPEN_RESPONSE: [
        f"{_HOSTED}::test_runner_routes_subagent_tool_call_without_exposing_hosted_items",
        f"{_HOSTED}::test_runner_injects_two_subagent_calls_into_one_active_response",
        f"{_HOSTED}::test_injection_failure_after_completion_starts_continuation_response*",
        f"{_HOSTED}::test_injection_failure_continues_with_conversation_without_previous_*",
        f"{_HOSTED}::test_nonrecoverable_injection_failure_closes_active_response",
        f"{_HOSTED}::test_concurrent_run_does_not_consume_or_close_paused_response*",
    ],
    CANCELS_BETWEEN_TURNS: [
        "tests/mcp/test_mcp_resume_binding.py::test_cancelled_rejection_preserves_recipient_for_later_*",
    ],
    SESSION_OF_MCP: [
        "tests/mcp/test_list_page_limits.py::test_runner_stops_during_tool_enumeration_before_model_*",
    ],
    CLIENT: ["tests/tracing/test_reasoning_export.py::test_runner_reasoning_is_omitted_*"],
    BY_IDENTITY: [
        "tests/test_run_hooks.py::test_tool_end_hooks_receive_raw_function_tool_result",
        f"{_RUNNER}::test_previous_response_id_retry_does_not_resend_initial_input_multi_turn",
        f"{_RUNNER}::test_auto_previous_response_id_retries_when_policy_approves_unsafe_replay",
    ],
    EACH_ATTEMPT: [
        f"{_HOSTED}::test_runner_cleans_up_provider_resolved_paused_response*",
        "tests/extensions/memory/test_encrypt_session.py::test_runner_encrypted_scan_budget_with_session_*",
        "tests/memory/test_session_context_wrapper.py::test_runner_preserves_legacy_calls_when_signature_*",
        "tests/test_run_state_pending_input.py::test_server_filter_omission_remains_pending_for_later_*",
        "tests/test_hitl_error_scenarios.py::test_nested_agent_tool_continuation_runs_outer_callbacks_*",
        "tests/test_tool_name_collision_policy.py::test_resume_reuses_handoff_snapshot_for_delegating_*",
        "tests/memory/test_session_context_wrapper.py::test_runner_passes_same_wrapper_to_context_aware_*",
        "tests/memory/test_session_context_wrapper.py::test_runner_preserves_legacy_session_call_shapes",
        "tests/memory/test_session_context_wrapper.py::test_runner_does_not_treat_legacy_kwargs_as_*",
        "tests/memory/test_session_context_wrapper.py::test_runner_does_not_partially_enable_*",
        "tests/test_agent_runner_streamed.py::test_terminal_tool_trip_uses_custom_blocked_message_everywhere*",
        "tests/test_agent_runner_streamed.py::test_terminal_tool_trip_falls_back_when_blocked_message_*",
        f"{_RUNNER}::test_run_reports_derived_agent_name_collisions_before_model_call?warn-*",
        f"{_RUNNER}::test_run_warns_and_keeps_last_duplicate_function_tool*",
        f"{_RUNNER}::test_run_warns_once_for_repeated_source_agent_name",
        f"{_RUNNER}::test_handoff_enablement_uses_initialized_turn_context*",
        f"{_RUNNER}::test_falsey_per_handoff_input_filter_takes_precedence*",
        f"{_RUNNER}::test_tool_not_found_behavior_uses_tool_error_formatter",
        "tests/test_computer_action.py::test_runner_warns_for_unhandled_computer_safety_checks?missing-*",
        "tests/test_runner_tracing_disabled.py::test_runner_tracing_opt_out_during_session_preparation?None-*",
        "tests/test_runner_tracing_disabled.py::test_disabled_runner_uses_configured_provider*",
    ],
    ASYNC_GUARDRAIL: [
        "tests/test_decisions_examples.py::test_input_classification_blocks_before_agent*",
        "tests/test_guardrails.py::test_multiple_blocking_guardrails_complete_before_agent",
        "tests/test_tool_guardrails.py::test_tool_tripwire_preserves_completed_turn_results*",
        f"{_BATCH}::test_resumed_failure_keeps_accepted_history_and_reconciles_session?*-True?",
        "tests/test_runner_guardrail_resume.py::test_resumed_session_failure_publishes_durable_tool_guardrails*",
        "tests/test_run_impl_resume_paths.py::test_max_turns_guardrail_failure_leaves_the_state_retryable",
    ],
    OWN_COMPUTER: [
        "tests/test_computer_tool_lifecycle.py::test_runner_disposes_computer_after_run",
        "tests/test_computer_tool_lifecycle.py::test_concurrent_runs_keep_computer_provider_instances_*",
        "tests/test_computer_tool_lifecycle.py::test_start_hook_replaces_computer_before_initialization*",
    ],
    SHARED_AGENT: [
        f"{_START_HOOK}::test_shared_agent_tool_changes_reject_both_runs*",
        f"{_START_HOOK}::test_shared_agent_mutation_during_mcp_discovery_is_rejected*",
        f"{_START_HOOK}::test_failed_hook_invalidates_survivor_and_preserves_primary_failure*",
        f"{_START_HOOK}::test_new_run_detects_mutation_in_a_suspended_hook*",
        f"{_START_HOOK}::test_restoring_original_tools_does_not_hide_concurrent_replacements*",
        f"{_START_HOOK}::test_concurrent_run_sync_uses_the_same_tool_conflict_boundary",
        f"{_START_HOOK}::test_model_wait_does_not_release_agent_configuration_ownership*",
        f"{_START_HOOK}::test_handoff_target_is_registered_before_transition_awaits*",
    ],
}

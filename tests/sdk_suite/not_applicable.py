"""Tests that run an agent and are no test of durable runs, by the reason. Patterns match pytest node ids.

A test that passes is not asked for here. What is merely different, and what we have not understood, is no
reason: those tests count as failed.
"""

from __future__ import annotations

WAITS_IN_MEMORY = (
    "a callback waits for an asyncio.Event that a model, a tool or the test sets: nothing but the journal "
    "can wake durable code, and the run is refused"
)
WAITS_FOR_LATER_STEP = (
    "a step waits in memory for what comes after another step; an attempt that is replayed at every await "
    "gets no result before all its steps have ended"
)
TRACEBACK = "asks for frames of AgentRunner.run in a traceback, and this suite stands in its place"
CLIENT = "patches a method of an OpenAI client, and a durable run calls a copy of it, without retries"
BY_IDENTITY = "asks whether an object is the very one that was made; from the journal comes an equal one"
EACH_ATTEMPT = (
    "counts calls of a function or lines of a log that every attempt repeats by design: they only shape what "
    "the model is shown, or read a session before a write is repeated"
)
SHARED_AGENT = (
    "two runs in one process change an agent under each other, and a replay finds it as they left it"
)

NOT_APPLICABLE: dict[str, list[str]] = {
    WAITS_IN_MEMORY: [
        "tests/test_guardrails.py::test_parallel_guardrail_*",
        "tests/test_guardrails.py::test_mixed_blocking_and_parallel_guardrails*",
        "tests/test_agent_runner.py::test_output_guardrail_cancellation_preserves_final_output_in_session*",
        "tests/test_tool_name_collision_policy.py::test_missing_formatter_cancellation_*",
        "tests/memory/*::test_runner_skips_compaction_after_interleaved_persist",
        "tests/test_tool_batch_failure_history.py::test_nonstreamed_partial_history_waits_for_input_verdict*",
        "tests/test_native_tool_failure_history.py::test_input_verdict_during_tool_drain_*",
        "tests/test_native_tool_failure_history.py::test_native_finalization_survives_sibling_failure*",
    ],
    TRACEBACK: [
        "tests/test_error_logging_redaction.py::test_run_*preserves_diagnostic_wrapper_traceback_locals",
    ],
    CLIENT: ["tests/tracing/test_reasoning_export.py::test_runner_reasoning_is_omitted_*"],
    BY_IDENTITY: [
        "tests/test_run_hooks.py::test_tool_end_hooks_receive_raw_function_tool_result",
        "tests/test_tool_batch_failure_history.py::test_failure_snapshot_preserves_opaque_output_identity*",
        "tests/test_agent_runner.py::test_*previous_response_id_retr*",
    ],
    EACH_ATTEMPT: [
        "tests/memory/test_session_context_wrapper.py::test_runner_*",
        "tests/test_agent_runner_streamed.py::test_terminal_tool_trip_*",
        "tests/test_agent_runner.py::test_run_reports_derived_agent_name_collisions_*",
        "tests/test_agent_runner.py::test_run_warns_*",
        "tests/test_agent_runner.py::test_handoff_enablement_uses_initialized_turn_context*",
        "tests/test_agent_runner.py::test_falsey_per_handoff_input_filter_takes_precedence*",
        "tests/test_agent_runner.py::test_tool_not_found_behavior_uses_tool_error_formatter*",
        "tests/test_computer_action.py::test_runner_warns_for_unhandled_computer_safety_checks*",
        "tests/test_computer_tool_lifecycle.py::*",
        "tests/test_runner_tracing_disabled.py::test_runner_tracing_opt_out_during_session_preparation*",
        "tests/test_runner_tracing_disabled.py::test_disabled_runner_uses_configured_provider*",
    ],
    WAITS_FOR_LATER_STEP: [
        "tests/test_tool_batch_failure_history.py::test_completed_sibling_survives_tool_batch_failure*",
        "tests/test_tool_batch_failure_history.py::test_resumed_failure_keeps_accepted_history_*",
        "tests/test_tool_batch_failure_history.py::test_approved_failure_diagnostics_preserve_retry_boundary*",
        "tests/test_tool_batch_failure_history.py::test_fresh_guarded_terminal_failure_keeps_output_private*",
        "tests/test_tool_failure_boundaries.py::test_completed_history_at_failure_boundaries*",
        "tests/test_tool_failure_boundaries.py::test_completed_program_child_retains_parent_*",
        "tests/test_native_tool_failure_history.py::test_native_finalization_preserves_output_*",
    ],
    SHARED_AGENT: ["tests/test_start_hook_tool_concurrency.py::*"],
}

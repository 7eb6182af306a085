using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Client;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary>Follows a plan until it ends, and prints each change when it is seen, unless JSON has to wait for all of them.</summary>
internal sealed class Following(Session session)
{
    private readonly List<TaskState> _changes = [];

    /// <summary>All that was seen, oldest first.</summary>
    public IReadOnlyList<TaskState> Changes => _changes;

    /// <param name="timeout">Null for as long as it takes.</param>
    public async Task<End> RunAsync(Guid plan, TimeSpan? timeout = null)
    {
        using var deadline = timeout is { } limit
            ? new CancellationTokenSource(limit, session.Clock)
            : new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(session.Stopping, deadline.Token);
        TaskState? last = null;
        try
        {
            await foreach (var task in session.Client.Handle(plan).WatchAsync(either.Token))
            {
                if (task.Hook == 0 && task.Occurrence >= (last?.Occurrence ?? 0))
                    last = task;
                _changes.Add(task);
                if (session.Printer.Form != OutputForm.Json)
                {
                    session.Printer.One(
                        json => TaskText.WriteJson(json, task), terminal => terminal.Line(session.Tasks.Line(task)));
                }
            }
        }
        catch (OperationCanceledException) when (
            deadline.IsCancellationRequested && !session.Stopping.IsCancellationRequested)
        {
            return new End(plan, last, timeout);
        }

        return new End(plan, last, TimedOut: null);
    }

    /// <summary>How it ended.</summary>
    /// <param name="Task">The plan's last task; null when none was seen.</param>
    /// <param name="TimedOut">The time that has passed without an end; null when there was one.</param>
    internal sealed record End(Guid Plan, TaskState? Task, TimeSpan? TimedOut)
    {
        /// <summary>Says why when the exit code is not 0.</summary>
        public async Task<int> JudgeAsync(Session session)
        {
            if (TimedOut is { } limit)
            {
                session.Terminal.Error($"plan {Plan} has not ended within {DurationText.Show(limit)}");
                session.Terminal.Why($"its latest task is {(Task is null ? "not made" : PlanWriter.Word(Task.Status))}");
                session.Terminal.Hint($"karya watch {Plan}");
                return ExitCodes.TimedOut;
            }

            if (Task is { Status: PlanTaskStatus.Success })
                return ExitCodes.Done;

            session.Terminal.Error(
                $"plan {Plan} has ended with {(Task is null ? "no task" : PlanWriter.Word(Task.Status))}");
            await foreach (var error in session.Client.ErrorsAsync(Plan, pageSize: 1, session.Stopping))
            {
                session.Terminal.Why(TextTable.Plain(error.Text));
                break;
            }

            session.Terminal.Hint($"karya describe {Plan}");
            return ExitCodes.Failed;
        }
    }
}

using System.Buffers;
using System.Threading.Channels;
using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <summary>
/// Carries out attempts: the engine's dispatches go in, outcomes come out as commands. It knows no plans, lanes or
/// retries, and keeps nothing.
/// </summary>
/// <remarks>
/// <code>
/// shard threads ─ TryPost ─► bounded channel ─► N worker loops ─► connector ─► OutcomeSink ─► inbox of the shard
/// </code>
/// Call <see cref="Start"/> once, <see cref="TryPost"/> from any thread, <see cref="StopAsync"/> at the end. The
/// rented body of a dispatch belongs to the executor once <see cref="TryPost"/> has answered true.
/// </remarks>
internal sealed class Executor : IAsyncDisposable
{
    private readonly ExecutorOptions _options;
    private readonly Connectors _connectors;
    private readonly OutcomeSink _post;
    private readonly Func<long> _nowMs;
    private readonly TimeProvider _time;
    private readonly Channel<Dispatch> _waiting;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly HashSet<(TaskKey Key, int Attempt, long Epoch)> _notBegun = [];
    private Task _workers = Task.CompletedTask;
    private volatile bool _closed;

    /// <param name="nowMs">Store time in milliseconds since 1970 UTC; called by several threads at once.</param>
    /// <param name="time">Measures the drain time.</param>
    public Executor(
        ExecutorOptions options, Connectors connectors, OutcomeSink post, Func<long> nowMs, TimeProvider time)
    {
        _options = options;
        _connectors = connectors;
        _post = post;
        _nowMs = nowMs;
        _time = time;
        _waiting = Channel.CreateBounded<Dispatch>(new BoundedChannelOptions(options.Concurrency)
        {
            FullMode = BoundedChannelFullMode.Wait,
        });
    }

    public void Start()
    {
        Invariant.Check(_options.Concurrency >= 1);

        var workers = new Task[_options.Concurrency];
        for (int i = 0; i < workers.Length; i++)
            workers[i] = Task.Run(WorkAsync, CancellationToken.None);
        _workers = Task.WhenAll(workers);
    }

    /// <summary>
    /// Hands an attempt in. Never waits. False when the executor is full or stops: the dispatch, and its body, stay
    /// with the caller.
    /// </summary>
    public bool TryPost(in Dispatch dispatch)
    {
        lock (_lock)
            _notBegun.Add((dispatch.Key, dispatch.Attempt, dispatch.Epoch));
        if (_waiting.Writer.TryWrite(dispatch))
            return true;
        lock (_lock)
            _notBegun.Remove((dispatch.Key, dispatch.Attempt, dispatch.Epoch));
        return false;
    }

    /// <summary>
    /// Its plan was cancelled: when it has not begun it does not begin, and is given back. What has begun goes on.
    /// </summary>
    public void Revoke(in Revocation revocation)
    {
        lock (_lock)
            _notBegun.Remove((revocation.Key, revocation.Attempt, revocation.Epoch));
    }

    /// <summary>
    /// Takes no more work, gives running attempts the drain time, then cancels them; those are reported as failed, to
    /// be tried again. What no worker had begun is dropped without a word: the store still has it, and it costs no
    /// attempt.
    /// </summary>
    public async Task StopAsync(TimeSpan drain)
    {
        _closed = true;
        _waiting.Writer.TryComplete();
        try
        {
            await _workers.WaitAsync(drain, _time);
        }
        catch (TimeoutException)
        {
            await _stop.CancelAsync();
            await _workers;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero);
        _stop.Dispose();
    }

    private async Task WorkAsync()
    {
        while (true)
        {
            Dispatch dispatch;
            try
            {
                // Not WaitToReadAsync, which wakes every idle worker for one dispatch.
                dispatch = await _waiting.Reader.ReadAsync(CancellationToken.None);
            }
            catch (ChannelClosedException)
            {
                return;
            }

            try
            {
                if (_closed)
                    continue;
                bool mayBegin = await _options.MayBegin(dispatch.Partition, dispatch.Epoch, _stop.Token);
                if (_stop.IsCancellationRequested)
                    continue;
                if (!TryBegin(dispatch) || !mayBegin)
                {
                    GiveBack(dispatch);
                    continue;
                }

                long startedMs = _nowMs();
                _options.Started(in dispatch, startedMs);
                Outcome outcome;
                try
                {
                    outcome = await Begin(in dispatch, startedMs);
                }
                catch (Exception e)
                {
                    outcome = OutcomeOf(e);
                }

                Finish(in dispatch, outcome);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(dispatch.Body);
            }
        }
    }

    /// <summary>The last look: false when it was revoked while it waited.</summary>
    private bool TryBegin(in Dispatch dispatch)
    {
        lock (_lock)
            return _notBegun.Remove((dispatch.Key, dispatch.Attempt, dispatch.Epoch));
    }

    private void GiveBack(in Dispatch dispatch) => _post(NewOutcome(dispatch, CommandKind.AttemptReleased, _nowMs()));

    private ValueTask<Outcome> Begin(in Dispatch dispatch, long startedMs)
    {
        var action = PlanBodyCodec.ReadAction(dispatch.Body.AsSpan(0, dispatch.BodyBytes), dispatch.Key.Hook);
        if (ConnectorFor(action) is not { } connector)
            return ValueTask.FromResult(NotConfigured(action));

        var attempt = new Attempt(
            dispatch.Key,
            dispatch.User,
            dispatch.Partition,
            dispatch.Epoch,
            dispatch.Attempt,
            dispatch.AttemptsMax,
            dispatch.DueMs,
            startedMs);
        return connector.RunAsync(attempt, action, _stop.Token);
    }

    private IConnector? ConnectorFor(PlanAction action) => action switch
    {
        RestAction => _connectors.Rest,
        ChainedAction => _connectors.Chained,
        SlackAction => _connectors.Slack,
        EmailAction => _connectors.Email,
        KafkaAction => _connectors.Kafka,
        _ => null,
    };

    private static Outcome NotConfigured(PlanAction action)
    {
        var (name, setting) = action switch
        {
            SlackAction => ("Slack", "connectors.slack.token"),
            EmailAction => ("E-mail", "connectors.email.host"),
            KafkaAction => ("Kafka", "connectors.kafka.bootstrapServers"),
            _ => (action.GetType().Name, "connectors"),
        };
        return Outcome.FailedForGood(
            FailureClass.NotConfigured,
            $"{name} is not configured on this node: {setting} is missing in its configuration. "
            + "Set it, and replay the task from its dead letters.");
    }

    /// <summary>
    /// The task must end, whatever happened. A connector should have made an outcome of it, hence the type's name.
    /// </summary>
    private Outcome OutcomeOf(Exception exception) => exception switch
    {
        PlanBodyDamagedException => Outcome.FailedForGood(FailureClass.InvalidAction, exception.Message),
        OperationCanceledException when _stop.IsCancellationRequested => Outcome.NodeStopped,
        _ => Outcome.Failed(
            FailureClass.Other, $"The attempt broke off. {exception.GetType().Name}: {exception.Message}"),
    };

    private void Finish(in Dispatch dispatch, Outcome outcome)
    {
        if (outcome.Error is { } error)
            outcome = outcome with { Error = ErrorText.Fit(error) };

        long endedMs = _nowMs();
        _options.Ended(in dispatch, in outcome, endedMs);

        var command = NewOutcome(
            dispatch, outcome.IsSuccess ? CommandKind.AttemptSucceeded : CommandKind.AttemptFailed, endedMs);
        command.Retryable = outcome.Retryable;
        command.RetryAfterMs = outcome.RetryAfterMs;
        command.Failure = outcome.Failure;
        if (outcome.Error is not null)
            command.Payload = ErrorText.Encode(outcome.Error, out command.PayloadBytes);
        _post(in command);
    }

    private static Command NewOutcome(in Dispatch dispatch, CommandKind kind, long atMs) => new()
    {
        Kind = kind,
        Partition = dispatch.Partition,
        Key = dispatch.Key,
        Attempt = dispatch.Attempt,
        Epoch = dispatch.Epoch,
        AtMs = atMs,
        Lane = dispatch.Lane,
    };
}

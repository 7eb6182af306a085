using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Karya.Client.Connections;
using Karya.Client.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>A plan that the cluster has, or had. Costs nothing: it is an id and the client to ask.</summary>
public sealed class PlanHandle
{
    /// <summary>There is no push for the end of a plan: asking begins so often and becomes rarer.</summary>
    private static readonly TimeSpan PauseFirst = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(1);

    private readonly KaryaClient _client;

    internal PlanHandle(KaryaClient client, Guid id, bool existed, Durability durability)
    {
        _client = client;
        Id = id;
        Existed = existed;
        Durability = durability;
    }

    public Guid Id { get; }

    /// <summary>The plan was there already: its id or idempotency key had been used for it before.</summary>
    public bool Existed { get; }

    /// <summary>What submitting was given, which may be more than what was asked for.</summary>
    public Durability Durability { get; }

    /// <inheritdoc cref="KaryaClient.GetAsync"/>
    public ValueTask<PlanView?> GetAsync(CancellationToken cancellationToken = default) =>
        _client.GetAsync(Id, cancellationToken);

    /// <inheritdoc cref="KaryaClient.CancelAsync"/>
    public ValueTask<PlanState> CancelAsync(CancellationToken cancellationToken = default) =>
        _client.CancelAsync(Id, cancellationToken);

    /// <inheritdoc cref="KaryaClient.TriggerAsync"/>
    public ValueTask<PlanState> TriggerAsync(CancellationToken cancellationToken = default) =>
        _client.TriggerAsync(Id, cancellationToken);

    /// <inheritdoc cref="KaryaClient.UpdateAsync"/>
    public ValueTask<PlanState> UpdateAsync(PlanUpdate update, CancellationToken cancellationToken = default) =>
        _client.UpdateAsync(Id, update, cancellationToken);

    /// <summary>
    /// What the worker's handler returned for the first occurrence, read as JSON; the default of the type when there is
    /// nothing. For others see <see cref="KaryaClient.GetResultAsync"/>.
    /// </summary>
    /// <param name="type">Null for what <see cref="KaryaClientOptions.Json"/> says.</param>
    public async ValueTask<T?> GetResultAsync<T>(
        JsonTypeInfo<T>? type = null, CancellationToken cancellationToken = default)
    {
        byte[]? result = await _client.GetResultAsync(Id, cancellationToken: cancellationToken).ConfigureAwait(false);
        return result is null
            ? default
            : JsonSerializer.Deserialize(result, type ?? Json.TypeOf<T>(_client.Json));
    }

    /// <summary>
    /// Waits until the plan has ended: completed or cancelled. One that recurs without end does so only when cancelled.
    /// </summary>
    /// <param name="timeout">How long to wait at most; null for as long as it takes.</param>
    /// <returns>Its last task.</returns>
    /// <exception cref="KaryaNotFoundException">There is no such plan.</exception>
    /// <exception cref="KaryaTimeoutException">The plan goes on.</exception>
    public async Task<TaskState> WaitAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        var time = _client.Options.TimeProvider;
        var deadline = new Deadline(time, timeout ?? TimeSpan.MaxValue);
        var pause = PauseFirst;
        while (true)
        {
            var view = await AnswerAsync(GetAsync, cancellationToken).ConfigureAwait(false) ?? throw NotFound();
            if (view.Plan.HasEnded)
                return view.Task;
            if (deadline.Left <= pause)
            {
                await Task.Delay(deadline.Left, time, cancellationToken).ConfigureAwait(false);
                throw new KaryaTimeoutException(
                    ErrorCode.None,
                    $"{nameof(WaitAsync)}: plan {Id} has not ended within {deadline.Limit.TotalSeconds:0.###} s; " +
                    $"it is {view.Plan.Status}, its latest task {view.Task.Status}. It goes on; waiting again is safe.")
                {
                    IsTransient = true,
                };
            }

            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            pause = Longer(pause);
        }
    }

    /// <summary>
    /// The plan's tasks whenever they are seen to change, until the plan has ended. Of changes that follow one another
    /// within a pause of asking, 20 ms to 1 s, only the last is seen; of more than 100 tasks in a pause only the newest
    /// are.
    /// </summary>
    /// <exception cref="KaryaNotFoundException">There is no such plan.</exception>
    public async IAsyncEnumerable<TaskState> WatchAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var pause = PauseFirst;
        var seen = new Dictionary<(long Occurrence, int Hook), TaskState>();
        while (true)
        {
            var summary = await AnswerAsync(
                token => _client.SummarizeAsync(Id, token), cancellationToken).ConfigureAwait(false);
            var latest = new Dictionary<(long Occurrence, int Hook), TaskState>();
            bool hasChanged = false;
            foreach (var task in summary.Tasks)
            {
                var key = (task.Occurrence, task.Hook);
                latest[key] = task;
                if (seen.TryGetValue(key, out var before) && before == task)
                    continue;
                hasChanged = true;
                yield return task;
            }

            if (summary.Plan.HasEnded)
                yield break;
            seen = latest;
            pause = hasChanged ? PauseFirst : Longer(pause);
            await Task.Delay(pause, _client.Options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    private static TimeSpan Longer(TimeSpan pause) => pause * 2 < PauseMax ? pause * 2 : PauseMax;

    /// <summary>A node that is overloaded is asked later: waiting is what the caller wants.</summary>
    private async Task<T> AnswerAsync<T>(
        Func<CancellationToken, ValueTask<T>> ask, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await ask(cancellationToken).ConfigureAwait(false);
            }
            catch (KaryaOverloadedException e)
            {
                await Task.Delay(e.RetryAfter, _client.Options.TimeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private KaryaNotFoundException NotFound() => new(ErrorCode.PlanNotFound, $"There is no plan {Id}.", "plan");
}

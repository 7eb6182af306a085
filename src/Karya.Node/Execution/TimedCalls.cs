using System.Globalization;
using Karya.Engine;

namespace Karya.Node.Execution;

/// <summary>
/// Calls with a time limit that become outcomes, whatever happens: for connectors that send messages. Thread-safe.
/// </summary>
/// <param name="what">Begins each error.</param>
/// <param name="limit">Of one call.</param>
/// <param name="time">Measures it.</param>
internal sealed class TimedCalls(string what, TimeSpan limit, TimeProvider time) : IDisposable
{
    private readonly DeadlinePool _deadlines = new(time);

    /// <param name="call">Is cancelled when the time is up, or the node stops.</param>
    /// <param name="judge">What its own exceptions mean.</param>
    /// <param name="stopping">The node stops.</param>
    public async ValueTask<Outcome> RunAsync(
        Func<CancellationToken, ValueTask<Outcome>> call, Func<Exception, Outcome> judge, CancellationToken stopping)
    {
        using var deadline = _deadlines.Start(limit, stopping);
        try
        {
            return await call(deadline.Token);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            return Outcome.NodeStopped;
        }
        catch (Exception) when (deadline.Token.IsCancellationRequested)
        {
            return Outcome.Down(FailureClass.Timeout, string.Create(
                CultureInfo.InvariantCulture, $"{what}: timeout: no complete answer within {limit.TotalSeconds} s."));
        }
        catch (Exception e)
        {
            return RestFailure.DenialIn(e) is { } denied
                ? Outcome.FailedForGood(FailureClass.EgressDenied, $"{what}: {denied.Message}")
                : judge(e);
        }
    }

    public void Dispose() => _deadlines.Dispose();
}

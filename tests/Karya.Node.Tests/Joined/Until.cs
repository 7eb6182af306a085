using System.Diagnostics;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Looks again and again for what other threads bring about, and says what did not come.</summary>
internal static class Until
{
    // Only a hang gets here. Machines that run tests can be slow.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < Patience, $"Did not happen within {Patience}: {what}.");
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Asks until the answer is as wanted, and returns it.</summary>
    public static async Task<T> AskAsync<T>(Func<ValueTask<T>> ask, Func<T, bool> isWanted, string what)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var answer = await ask();
            if (isWanted(answer))
                return answer;
            Assert.True(watch.Elapsed < Patience, $"Did not happen within {Patience}: {what}. Last: {answer}");
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }
}

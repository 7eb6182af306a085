using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Waits for what must happen, and says which step did not.</summary>
internal static class Expect
{
    // Only a hang gets here. Machines that run tests can be slow.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task<T> SoonAsync<T>(Task<T> step, string what)
    {
        await SoonAsync((Task)step, what);
        return await step;
    }

    public static async Task SoonAsync(Task step, string what)
    {
        var first = await Task.WhenAny(step, Task.Delay(Patience, TestContext.Current.CancellationToken));
        Assert.True(first == step, $"Did not happen within {Patience}: {what}.");
        await step;
    }
}

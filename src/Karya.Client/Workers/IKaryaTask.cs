using System.Text.Json;
using Karya.Client.Workers;

namespace Karya.Client;

/// <summary>
/// What a worker can run. Implement <see cref="IKaryaTask{TArgs}"/> or <see cref="IKaryaTask{TArgs, TResult}"/>, and
/// name the class with <see cref="KaryaTaskAttribute"/>.
/// </summary>
public interface IKaryaTask
{
    /// <summary>Knows the types of arguments and result, so that nobody has to find them by reflection.</summary>
    internal ValueTask<byte[]?> RunAsync(
        ReadOnlyMemory<byte> arguments, JsonSerializerOptions json, TaskContext context,
        CancellationToken cancellationToken);
}

/// <summary>A task that returns nothing. One object is made per run.</summary>
public interface IKaryaTask<TArgs> : IKaryaTask
{
    /// <summary>
    /// Carries out one attempt. Returning is success. Throwing is failure: <see cref="PermanentTaskException"/> for
    /// good, <see cref="RetryLaterException"/> with a pause, anything else as the plan's retry policy says.
    /// </summary>
    /// <param name="cancellationToken">
    /// Fires when what the attempt does is in vain; <see cref="TaskContext.CancelReason"/> says why.
    /// </param>
    Task RunAsync(TArgs args, TaskContext context, CancellationToken cancellationToken);

    async ValueTask<byte[]?> IKaryaTask.RunAsync(
        ReadOnlyMemory<byte> arguments, JsonSerializerOptions json, TaskContext context,
        CancellationToken cancellationToken)
    {
        await RunAsync(TaskJson.Read<TArgs>(arguments, json, context.Name), context, cancellationToken)
            .ConfigureAwait(false);
        return null;
    }
}

/// <summary>A task whose result is kept with it: at most 64 KiB of JSON. One object is made per run.</summary>
public interface IKaryaTask<TArgs, TResult> : IKaryaTask
{
    /// <inheritdoc cref="IKaryaTask{TArgs}.RunAsync(TArgs, TaskContext, CancellationToken)"/>
    Task<TResult> RunAsync(TArgs args, TaskContext context, CancellationToken cancellationToken);

    async ValueTask<byte[]?> IKaryaTask.RunAsync(
        ReadOnlyMemory<byte> arguments, JsonSerializerOptions json, TaskContext context,
        CancellationToken cancellationToken)
    {
        var result = await RunAsync(TaskJson.Read<TArgs>(arguments, json, context.Name), context, cancellationToken)
            .ConfigureAwait(false);
        return TaskJson.Write(result, json);
    }
}

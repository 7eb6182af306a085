using Karya.Protocol;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.Api;

/// <summary>Something in a request is wrong; the first such thing ends its reading.</summary>
internal sealed class ApiMistakeException : Exception
{
    public ApiMistakeException(string code, string field, string message) : base(message)
    {
        Problem = new Problem(StatusCodes.Status400BadRequest, code, message, field);
    }

    public ApiMistakeException(ErrorCode code, string field, string message)
        : this(ErrorNames.Of(code), field, message)
    {
    }

    public ApiMistakeException() : this("INVALID", "", "The request is not valid.")
    {
    }

    public ApiMistakeException(string message) : this("INVALID", "", message)
    {
    }

    public ApiMistakeException(string message, Exception innerException) : base(message, innerException)
    {
        Problem = new Problem(StatusCodes.Status400BadRequest, "INVALID", message);
    }

    public Problem Problem { get; }
}
